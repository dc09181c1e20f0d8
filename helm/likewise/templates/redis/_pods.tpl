{{/* Parts shared by the cluster's pods and the join Job: image, scripts and environment. */}}

{{- define "likewise.redis.container" -}}
image: {{ include "likewise.image" (dict "root" . "image" .Values.redis.image) }}
imagePullPolicy: {{ .Values.redis.image.pullPolicy }}
securityContext: {{- include "likewise.containerSecurity" . | nindent 2 }}
env:
  - {name: NAME, value: {{ include "likewise.redis.name" . }}}
  - {name: SERVICE, value: {{ include "likewise.redis.name" . }}}
  - {name: PODS, value: {{ .Values.redis.replicas | quote }}}
  - {name: PRIMARIES, value: {{ .Values.redis.primaries | quote }}}
  - {name: NODE_TIMEOUT_MS, value: {{ int .Values.redis.nodeTimeoutMs | quote }}}
  - {name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
  - {name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
  - {name: NODE_NAME, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
  - name: REDISCLI_AUTH
    valueFrom: {secretKeyRef: {name: {{ include "likewise.redis.secretName" . }}, key: password}}
{{- end -}}

{{- define "likewise.redis.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- include "likewise.pullSecrets" . }}
securityContext: {{- include "likewise.podSecurity" 999 | nindent 2 }}
{{- include "likewise.scheduling" .Values.redis }}
{{- end -}}

{{- define "likewise.redis.podVolumes" -}}
- name: scripts
  configMap: {name: {{ include "likewise.redis.name" . }}}
# In memory, because the server's configuration contains the password.
- name: tmp
  emptyDir: {medium: Memory, sizeLimit: 1Mi}
{{- end -}}

{{- define "likewise.redis.podMounts" -}}
- {name: scripts, mountPath: /etc/valkey, readOnly: true}
- {name: tmp, mountPath: /tmp}
{{- end -}}

{{- define "likewise.redis.config" -}}
{{- range $path, $_ := .Files.Glob "files/redis/*" }}
{{ base $path }}: |
  {{- $.Files.Get $path | nindent 2 }}
{{- if eq (base $path) "valkey.conf" }}
  # Longer than a stall of one or two seconds, such as a fork or a slow disk. A failover would lose writes that are not
  # replicated yet.
  cluster-node-timeout {{ int $.Values.redis.nodeTimeoutMs }}
  maxmemory {{ $.Values.redis.maxmemory }}
  # A replica whose disconnection fits into the backlog catches up without a full synchronization. It counts toward maxmemory.
  repl-backlog-size {{ $.Values.redis.replicationBacklog }}
{{- end }}
{{- end }}
{{- end -}}
