{{/* Refuses invalid values of Redis with a message. */}}

{{/* Bytes of an amount in the notation of Valkey (512mb) or of Kubernetes (1Gi). */}}
{{- define "likewise.bytes" -}}
{{- $units := dict "" 1 "kb" 1024 "ki" 1024 "k" 1000 "mb" 1048576 "mi" 1048576 "m" 1000000 "gb" 1073741824 "gi" 1073741824 "g" 1000000000 -}}
{{- $unit := regexFind "[A-Za-z]*$" (toString .) | lower -}}
{{- if not (hasKey $units $unit) -}}{{ fail (printf "%v is not an amount of memory: write it as 512Mi or 1Gi" .) }}{{- end -}}
{{ mulf (regexFind "^[0-9.]+" (toString .) | float64) (get $units $unit) | int64 }}
{{- end -}}

{{- define "likewise.redis.checks" -}}
{{- with .Values.redis -}}
{{- if .enabled -}}
{{- if .external.urls -}}
{{ fail "redis.external.urls and redis.enabled are both set: set redis.enabled=false to use the external cluster" }}
{{- end -}}
{{- if lt (int .replicas) (int .primaries) -}}
{{ fail (printf "redis.replicas (%d) counts all pods: it must be at least redis.primaries (%d)" (int .replicas) (int .primaries)) }}
{{- end -}}
{{- include "likewise.redis.checkMemory" $ -}}
{{- include "likewise.redis.checkPrimaries" $ -}}
{{- else -}}
{{- if not .external.urls -}}
{{ fail "redis.enabled is false and redis.external.urls is empty: set the addresses of some nodes of the Redis Cluster" }}
{{- end -}}
{{- range .external.urls -}}
{{- if ne (hasPrefix "rediss://" .) $.Values.redis.external.tls.enabled -}}
{{ fail (printf "redis.external.urls has %s while redis.external.tls.enabled is %t: use rediss:// with true and redis:// with false" . $.Values.redis.external.tls.enabled) }}
{{- end -}}
{{- end -}}
{{- if and .external.tls.caSecret (not .external.tls.enabled) -}}
{{ fail "redis.external.tls.caSecret has no effect while redis.external.tls.enabled is false" }}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* A node refuses likes at queue_bytes. If it reached maxmemory first, it would also refuse to acknowledge stored likes. */}}
{{- define "likewise.redis.checkMemory" -}}
{{- $max := include "likewise.bytes" .Values.redis.maxmemory | int64 -}}
{{- $backlog := include "likewise.bytes" .Values.redis.replicationBacklog | int64 -}}
{{- $queue := default 268435456 .Values.settings.queue_bytes | int64 -}}
{{- if ge (add $queue $backlog) $max -}}
{{ fail (printf "redis.maxmemory (%s) must be above settings.queue_bytes (%d) and redis.replicationBacklog (%s) together, as both count toward it" .Values.redis.maxmemory $queue .Values.redis.replicationBacklog) }}
{{- end -}}
{{- with dig "limits" "memory" "" .Values.redis.resources -}}
{{- if le (include "likewise.bytes" . | int64) $max -}}
{{ fail (printf "redis.resources.limits.memory (%s) must be above redis.maxmemory (%s): rewrites of the append-only file and the replicas' buffers need more" . $.Values.redis.maxmemory) }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Refuses another number of primaries, because the chart does not move slots. */}}
{{- define "likewise.redis.checkPrimaries" -}}
{{- $present := lookup "apps/v1" "StatefulSet" .Release.Namespace (include "likewise.redis.name" .) -}}
{{- if $present -}}
{{- range (index $present.spec.template.spec.containers 0).env -}}
{{- if and (eq .name "PRIMARIES") (ne .value (toString $.Values.redis.primaries)) -}}
{{ fail (printf "redis.primaries is %s in this installation and can't be changed to %v, because the chart does not move slots" .value $.Values.redis.primaries) }}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
