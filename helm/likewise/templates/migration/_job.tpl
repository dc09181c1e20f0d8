{{/*
A Job's spec that migrates: (dict "root" $ "command" list-of-words "backoffLimit" 0), and where wanted "account" (a name),
"init" (containers), "env", "mounts" and "volumes" as text.
The settings stand in the Job: before the first install, and before an upgrade, the ConfigMap is not there or not yet ours.
*/}}
{{- define "likewise.migration.job" -}}
{{- $migration := .root.Values.migration -}}
backoffLimit: {{ .backoffLimit }}
activeDeadlineSeconds: {{ $migration.activeDeadlineSeconds }}
podFailurePolicy:
  rules: # a drained node is no failed migration
    - action: Ignore
      onPodConditions: [{type: DisruptionTarget, status: "True"}]
template:
  metadata:
    labels: {{- include "likewise.selectorLabels" (dict "root" .root "component" "migration") | nindent 6 }}
  spec:
    restartPolicy: Never # its logs stay
    {{- with .account }}
    serviceAccountName: {{ . }}
    {{- end }}
    automountServiceAccountToken: false
    enableServiceLinks: false
    {{- include "likewise.pullSecrets" .root | nindent 4 }}
    securityContext: {{- include "likewise.podSecurity" 10001 | nindent 6 }}
    {{- include "likewise.scheduling" $migration | nindent 4 }}
    {{- with .init }}
    initContainers: {{- . | nindent 6 }}
    {{- end }}
    containers:
      - name: migrate
        image: {{ include "likewise.image" (dict "root" .root "image" .root.Values.image) }}
        imagePullPolicy: {{ .root.Values.image.pullPolicy }}
        command: {{- toYaml .command | nindent 10 }}
        securityContext: {{- include "likewise.containerSecurity" .root | nindent 10 }}
        resources: {{- toYaml $migration.resources | nindent 10 }}
        env:
          {{- range $name, $value := include "likewise.settings" .root | fromYaml }}
          - {name: {{ $name }}, value: {{ $value | quote }}}
          {{- end }}
          {{- include "likewise.postgres.env" .root | nindent 10 }}
          {{- with .env }}
          {{- . | nindent 10 }}
          {{- end }}
        volumeMounts:
          {{- include "likewise.tmpMount" .root | nindent 10 }}
          {{- with .mounts }}
          {{- . | nindent 10 }}
          {{- end }}
    volumes:
      {{- include "likewise.tmpVolume" .root | nindent 6 }}
      {{- with .volumes }}
      {{- . | nindent 6 }}
      {{- end }}
{{- end -}}

{{/* Hooks run before this release's account is there, or with an older one's: theirs needs no name and no token. */}}
{{- define "likewise.migration.account" -}}
{{- if not .Values.serviceAccount.create }}{{ include "likewise.serviceAccountName" . }}{{ end -}}
{{- end -}}

{{- define "likewise.migration.hook" -}}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
helm.sh/hook-output-log-policy: hook-failed # the sentence that says why
{{- end -}}
