{{/* The addresses and credentials of Postgres in pods of Likewise. */}}

{{- define "likewise.postgres.name" -}}
{{ include "likewise.fullname" . }}-postgres
{{- end -}}

{{- define "likewise.postgres.secretName" -}}
{{ default (include "likewise.postgres.name" .) .Values.postgres.existingSecret }}
{{- end -}}

{{- define "likewise.postgres.shardMap" -}}
{{- $shards := int (default 256 .Values.settings.shards) -}}
{{- $databases := int .Values.postgres.databases -}}
{{- $ranges := list -}}
{{- range $i := until $databases -}}
{{- $first := div (mul $i $shards) $databases -}}
{{- $last := sub (div (mul (add $i 1) $shards) $databases) 1 -}}
{{- $ranges = append $ranges (printf "%d-%d=postgresql://likewise@%s-%d:5432/likewise" $first $last (include "likewise.postgres.name" $) $i) -}}
{{- end -}}
{{ join " " $ranges }}
{{- end -}}

{{/* The password is passed in PGPASSWORD, which libpq reads. So it may contain characters that a URL would need to escape. */}}
{{- define "likewise.postgres.env" -}}
{{- if .Values.postgres.enabled }}
- {name: LIKEWISE_SHARD_MAP, value: {{ include "likewise.postgres.shardMap" . | quote }}}
- name: PGPASSWORD
  valueFrom: {secretKeyRef: {name: {{ include "likewise.postgres.secretName" . }}, key: password}}
{{- else }}
- name: LIKEWISE_SHARD_MAP
  valueFrom: {secretKeyRef: {name: {{ .Values.postgres.external.existingSecret }}, key: {{ .Values.postgres.external.key }}}}
{{- end }}
{{- end -}}
