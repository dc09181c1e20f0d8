{{/* Names, labels and parts that all pods share. Templates about one component take (dict "root" $ "component" "api"). */}}

{{- define "likewise.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* At most 40 characters, because names of objects append up to 23 more. */}}
{{- define "likewise.fullname" -}}
{{- $name := include "likewise.name" . -}}
{{- $full := contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) -}}
{{- default $full .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* Labels that select a component's pods. Never change them: selectors are immutable. */}}
{{- define "likewise.selectorLabels" -}}
app.kubernetes.io/name: {{ include "likewise.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "likewise.labels" -}}
{{ include "likewise.selectorLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: likewise
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* (dict "root" $ "image" .Values.image): the digest if it is set, else the tag, else the chart's appVersion. */}}
{{- define "likewise.image" -}}
{{- $tag := default .root.Chart.AppVersion .image.tag -}}
{{- if .image.digest -}}{{ .image.repository }}@{{ .image.digest }}{{- else -}}{{ .image.repository }}:{{ $tag }}{{- end -}}
{{- end -}}

{{- define "likewise.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{ default (include "likewise.fullname" .) .Values.serviceAccount.name }}
{{- else -}}
{{ default "default" .Values.serviceAccount.name }}
{{- end -}}
{{- end -}}

{{/* The securityContext of a pod, for the Pod Security level `restricted`. The argument is the numeric user and group. */}}
{{- define "likewise.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ . }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{/* The securityContext of every container. */}}
{{- define "likewise.containerSecurity" -}}
allowPrivilegeEscalation: false
privileged: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* Scheduling constraints and priority. The argument is a section of the values, such as .Values.api. */}}
{{- define "likewise.scheduling" -}}
{{- with .nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end -}}

{{/* (dict "root" $ "component" "api" "spread" list): topology spread constraints, which select the component's pods by default. */}}
{{- define "likewise.spread" -}}
{{- with .spread }}
topologySpreadConstraints:
{{- range . }}
  - {{- toYaml . | nindent 4 }}
    {{- if not .labelSelector }}
    labelSelector:
      matchLabels: {{- include "likewise.selectorLabels" $ | nindent 8 }}
    {{- end }}
{{- end }}
{{- end }}
{{- end -}}
