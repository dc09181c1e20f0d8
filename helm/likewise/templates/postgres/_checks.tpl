{{/* Refuses invalid values of Postgres with a message. */}}

{{- define "likewise.postgres.checks" -}}
{{- with .Values.postgres -}}
{{- if and .enabled .external.existingSecret -}}
{{ fail "postgres.external.existingSecret and postgres.enabled are both set: set postgres.enabled=false to use the external databases" }}
{{- end -}}
{{- if and (not .enabled) (not .external.existingSecret) -}}
{{ fail "postgres.enabled is false and postgres.external.existingSecret is empty: set the name of the Secret that holds the shard map" }}
{{- end -}}
{{- if .enabled -}}
{{- range list "fsync" "full_page_writes" "synchronous_commit" "max_connections" "listen_addresses" "port" -}}
{{- if hasKey $.Values.postgres.parameters . -}}
{{ fail (printf "postgres.parameters.%s can't be set, because the chart sets it" .) }}
{{- end -}}
{{- end -}}
{{- include "likewise.postgres.checkConnections" $ -}}
{{- include "likewise.postgres.checkDatabases" $ -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
Compares maxConnections with the connections of all pods at their maximum number, including those of a rolling update. 13
more are reserved for migrations, tests, operators and superusers.
*/}}
{{- define "likewise.postgres.checkConnections" -}}
{{- $fixed := ternary 2 .Values.replicas (eq .Values.replicas nil) -}}
{{- $pods := int (ternary .Values.hpa.maxReplicas $fixed (or .Values.hpa.enabled .Values.autoscaler.enabled)) -}}
{{- $surge := toString .Values.api.maxSurge -}}
{{- if hasSuffix "%" $surge -}}
{{- $surge = divf (mulf $pods (trimSuffix "%" $surge | float64)) 100 | ceil -}}
{{- end -}}
{{- $processes := add (mul (add $pods (int $surge)) .Values.api.workers) (include "likewise.flusher.maxReplicas" $ | int) 1 -}}
{{- $pool := int (default 2 .Values.settings.postgres_pool) -}}
{{- $needed := add (mul $processes $pool) 13 -}}
{{- if gt $needed (int64 .Values.postgres.maxConnections) -}}
{{ fail (printf "postgres.maxConnections (%d) is too low: %d API and flusher processes of %d connections (settings.postgres_pool) and 13 reserved ones need %d" (int .Values.postgres.maxConnections) $processes $pool $needed) }}
{{- end -}}
{{- end -}}

{{/*
Refuses another number of databases, because posts would then be looked up in the wrong one. Volumes are kept by an uninstall,
so they count too.
*/}}
{{- define "likewise.postgres.checkDatabases" -}}
{{- $pattern := printf "^(data-)?%s-[0-9]+(-0)?$" (include "likewise.postgres.name" .) -}}
{{- $databases := int .Values.postgres.databases -}}
{{- range list (list "apps/v1" "StatefulSet") (list "v1" "PersistentVolumeClaim") -}}
{{- $found := 0 -}}
{{- range (lookup (index . 0) (index . 1) $.Release.Namespace "").items | default list -}}
{{- if regexMatch $pattern .metadata.name -}}{{- $found = add1 $found -}}{{- end -}}
{{- end -}}
{{- if and $found (ne (int $found) $databases) -}}
{{ fail (printf "postgres.databases is %d, but this installation has %d (%ss named %s-N): their number can't change, as the rows would have to move" $databases $found (index . 1) (include "likewise.postgres.name" $)) }}
{{- end -}}
{{- end -}}
{{- end -}}
