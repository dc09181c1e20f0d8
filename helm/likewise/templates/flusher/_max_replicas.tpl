{{/* The maximum number of flushers, without the additional one during a rolling update. */}}
{{- define "likewise.flusher.maxReplicas" -}}
{{- $replicas := int .Values.flusher.replicas -}}
{{- if not .Values.autoscaler.enabled -}}
{{ $replicas }}
{{- else if hasKey .Values.autoscaler.settings "max_flushers" -}}
{{ int .Values.autoscaler.settings.max_flushers }}
{{- else -}}
{{ max 8 $replicas }}
{{- end -}}
{{- end -}}
