{{/* What our own pods get: settings, secrets, addresses, and a place for temporary files. */}}

{{/* A setting's value as an environment variable has it. Numbers come as floats: 268435456 would be 2.68435456e+08. */}}
{{- define "likewise.setting" -}}
{{- if kindIs "slice" . -}}{{ join "," . }}
{{- else if kindIs "float64" . -}}{{ eq (floor .) . | ternary (int64 .) . }}
{{- else -}}{{ . }}{{- end -}}
{{- end -}}

{{/* Everything that is no secret and no address: the ConfigMap, and the env of a hook, which runs before there is one. */}}
{{- define "likewise.settings" -}}
{{- range $name, $value := .Values.settings }}
LIKEWISE_{{ upper $name }}: {{ include "likewise.setting" $value | quote }}
{{- end }}
LIKEWISE_METRICS_HOST: "0.0.0.0"
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

{{/* The root file system is read-only: metrics of workers and the like go to memory. */}}
{{- define "likewise.tmpVolume" -}}
- name: tmp
  emptyDir: {medium: Memory, sizeLimit: 64Mi}
{{- end -}}

{{- define "likewise.tmpMount" -}}
- {name: tmp, mountPath: /tmp}
{{- end -}}
