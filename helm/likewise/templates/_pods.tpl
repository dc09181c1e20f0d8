{{/* Environment and volumes of the pods that run the image of Likewise. */}}

{{/* The text of a setting in an environment variable. Helm parses numbers as floats, and 268435456 would become 2.68435456e+08. */}}
{{- define "likewise.setting" -}}
{{- if kindIs "slice" . -}}{{ join "," . }}
{{- else if kindIs "float64" . -}}{{ eq (floor .) . | ternary (int64 .) . }}
{{- else -}}{{ . }}{{- end -}}
{{- end -}}

{{/* All settings except secrets and addresses: for the ConfigMap, and for hooks, which run before the ConfigMap exists. */}}
{{- define "likewise.settings" -}}
{{- range $name, $value := .Values.settings }}
LIKEWISE_{{ upper $name }}: {{ include "likewise.setting" $value | quote }}
{{- end }}
LIKEWISE_METRICS_HOST: "[::]"
LIKEWISE_METRICS_PORT: {{ .Values.metrics.port | quote }}
{{- with .Values.tracing.endpoint }}
LIKEWISE_TRACE_ENDPOINT: {{ . | quote }}
LIKEWISE_TRACE_RATIO: {{ $.Values.tracing.sampleRatio | quote }}
{{- end }}
{{- end -}}

{{- define "likewise.secretName" -}}
{{- default (include "likewise.fullname" .) .Values.secret.existingSecret -}}
{{- end -}}

{{- define "likewise.secretEnv" -}}
- name: LIKEWISE_SECRET
  valueFrom: {secretKeyRef: {name: {{ include "likewise.secretName" . }}, key: LIKEWISE_SECRET}}
{{- range list "LIKEWISE_PREVIOUS_SECRET" "LIKEWISE_API_KEYS" "LIKEWISE_JWT_KEYS" }}
- name: {{ . }}
  valueFrom: {secretKeyRef: {name: {{ include "likewise.secretName" $ }}, key: {{ . }}, optional: true}}
{{- end }}
{{- end -}}

{{- define "likewise.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- end -}}

{{/* The root filesystem is read-only. Temporary files, such as the metrics of gunicorn workers, are kept in memory. */}}
{{- define "likewise.tmpVolume" -}}
- name: tmp
  emptyDir: {medium: Memory, sizeLimit: 64Mi}
{{- end -}}

{{- define "likewise.tmpMount" -}}
- {name: tmp, mountPath: /tmp}
{{- end -}}
