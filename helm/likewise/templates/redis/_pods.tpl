{{/* What the cluster's pods and the join Job have in common: the same image, scripts and environment. */}}

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

{{- define "likewise.redis.volumesOfPod" -}}
- name: scripts
  configMap: {name: {{ include "likewise.redis.name" . }}}
- name: tmp # the server's configuration, as it holds the password
  emptyDir: {medium: Memory, sizeLimit: 1Mi}
{{- end -}}

{{- define "likewise.redis.mountsOfPod" -}}
- {name: scripts, mountPath: /etc/valkey, readOnly: true}
- {name: tmp, mountPath: /tmp}
{{- end -}}

{{- define "likewise.redis.config" -}}
{{- range $path, $_ := .Files.Glob "files/redis/*" }}
{{ base $path }}: |
  {{- $.Files.Get $path | nindent 2 }}
{{- if eq (base $path) "valkey.conf" }}
  # A stall of a second or two, as for a fork or a slow disk, is no failover: that would cost what is not replicated yet.
  cluster-node-timeout {{ int $.Values.redis.nodeTimeoutMs }}
  maxmemory {{ $.Values.redis.maxmemory }}
  # So long may a replica be away and catch up without a whole transfer; it counts toward maxmemory.
  repl-backlog-size {{ $.Values.redis.replicationBacklog }}
{{- end }}
{{- end }}
{{- end -}}
