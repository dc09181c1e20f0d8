{{/*
The spec of a migration Job: (dict "root" $ "command" list-of-words "backoffLimit" 0). Optional: "account" (a name), and
"init" (containers), "env", "mounts" and "volumes" as YAML text.
The Job contains the settings, because a hook runs before the ConfigMap exists or before it is updated.
*/}}
{{- define "likewise.migration.job" -}}
{{- $migration := .root.Values.migration -}}
backoffLimit: {{ .backoffLimit }}
activeDeadlineSeconds: {{ $migration.activeDeadlineSeconds }}
podFailurePolicy:
  # A drained node does not count as a failed migration.
  rules:
    - action: Ignore
      onPodConditions: [{type: DisruptionTarget, status: "True"}]
template:
  metadata:
    labels: {{- include "likewise.selectorLabels" (dict "root" .root "component" "migration") | nindent 6 }}
  spec:
    # Keeps the logs of a failed pod.
    restartPolicy: Never
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

{{/* The account of hooks: the default one, because hooks may run before the release's account exists. They need no token. */}}
{{- define "likewise.migration.account" -}}
{{- if not .Values.serviceAccount.create }}{{ include "likewise.serviceAccountName" . }}{{ end -}}
{{- end -}}

{{- define "likewise.migration.hook" -}}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
# Helm prints the log, which says why the migration failed.
helm.sh/hook-output-log-policy: hook-failed
{{- end -}}
