{{/* The most flushers that may run at a time, but for the one more of a rolling update. */}}
{{- define "likewise.flusher.most" -}}
{{- $asked := int .Values.flusher.replicas -}}
{{- if not .Values.autoscaler.enabled -}}
{{ $asked }}
{{- else if hasKey .Values.autoscaler.settings "max_flushers" -}}
{{ int .Values.autoscaler.settings.max_flushers }}
{{- else -}}
{{ max 8 $asked }}
{{- end -}}
{{- end -}}
