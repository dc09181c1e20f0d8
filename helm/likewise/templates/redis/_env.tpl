{{/* The addresses and credentials of Redis in pods of Likewise. */}}

{{- define "likewise.redis.name" -}}
{{ include "likewise.fullname" . }}-redis
{{- end -}}

{{/* The Secret with the password and, for an external cluster, the name of the ACL user. Empty: no credentials. */}}
{{- define "likewise.redis.secretName" -}}
{{- if .Values.redis.enabled -}}
{{ default (include "likewise.redis.name" .) .Values.redis.existingSecret }}
{{- else -}}
{{ .Values.redis.external.existingSecret }}
{{- end -}}
{{- end -}}

{{/* The names of all pods, because any of them can report the slot map if others are down. */}}
{{- define "likewise.redis.urls" -}}
{{- if .Values.redis.enabled -}}
{{- $name := include "likewise.redis.name" . -}}
{{- $urls := list -}}
{{- range until (int .Values.redis.replicas) -}}
{{- $urls = append $urls (printf "redis://%s-%d.%s:6379" $name . $name) -}}
{{- end -}}
{{ join "," $urls }}
{{- else -}}
{{ join "," .Values.redis.external.urls }}
{{- end -}}
{{- end -}}

{{- define "likewise.redis.env" -}}
- {name: LIKEWISE_REDIS_URLS, value: {{ include "likewise.redis.urls" . | quote }}}
{{- with include "likewise.redis.secretName" . }}
- name: LIKEWISE_REDIS_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ . }}, key: password}}
{{- if not $.Values.redis.enabled }}
- name: LIKEWISE_REDIS_USERNAME
  valueFrom: {secretKeyRef: {name: {{ . }}, key: username, optional: true}}
{{- end }}
{{- end }}
{{- if include "likewise.redis.caSecret" . }}
- {name: LIKEWISE_REDIS_CA_FILE, value: /etc/likewise/redis/ca.crt}
{{- end }}
{{- end -}}

{{- define "likewise.redis.caSecret" -}}
{{- if not .Values.redis.enabled -}}{{ .Values.redis.external.tls.caSecret }}{{- end -}}
{{- end -}}

{{- define "likewise.redis.volumes" -}}
{{- with include "likewise.redis.caSecret" . }}
- name: redis-ca
  secret: {secretName: {{ . }}, items: [{key: ca.crt, path: ca.crt}]}
{{- end }}
{{- end -}}

{{- define "likewise.redis.volumeMounts" -}}
{{- if include "likewise.redis.caSecret" . }}
- {name: redis-ca, mountPath: /etc/likewise/redis, readOnly: true}
{{- end }}
{{- end -}}
