{{- define "likewise.postgres.container" -}}
image: {{ include "likewise.image" (dict "root" . "image" .Values.postgres.image) }}
imagePullPolicy: {{ .Values.postgres.image.pullPolicy }}
securityContext: {{- include "likewise.containerSecurity" . | nindent 2 }}
args:
  - postgres
  {{- range $name, $value := merge (include "likewise.postgres.parameters" . | fromYaml) .Values.postgres.parameters }}
  - -c
  - {{ printf "%s=%s" $name (include "likewise.setting" $value) | quote }}
  {{- end }}
ports:
  - {name: postgres, containerPort: 5432}
env:
  - {name: POSTGRES_USER, value: likewise}
  - {name: POSTGRES_DB, value: likewise}
  # Not the volume's root, which may contain lost+found.
  - {name: PGDATA, value: /var/lib/postgresql/data/pgdata}
  - {name: POSTGRES_INITDB_ARGS, value: --data-checksums --encoding=UTF8 --locale=C.UTF-8}
  - name: POSTGRES_PASSWORD
    valueFrom: {secretKeyRef: {name: {{ include "likewise.postgres.secretName" . }}, key: password}}
lifecycle:
  # SIGINT requests a fast shutdown. SIGTERM would wait until every client disconnects.
  preStop:
    exec: {command: [sh, -c, 'kill -INT "$(head -n 1 "$PGDATA/postmaster.pid")"']}
# Probes use TCP, because the server listens on a Unix socket only while it initializes the database. The start-up probe allows
# ten minutes for recovery after a crash.
startupProbe:
  exec: {command: &ask [pg_isready, --quiet, --host=127.0.0.1, --username=likewise, --dbname=likewise]}
  periodSeconds: 2
  timeoutSeconds: 5
  failureThreshold: 300
readinessProbe:
  exec: {command: *ask}
  periodSeconds: 5
  timeoutSeconds: 5
# Exit code 1 means that the server is alive and rejects connections, for example during recovery.
livenessProbe:
  exec: {command: [sh, -c, 'pg_isready --quiet --host=127.0.0.1 --username=likewise --dbname=likewise || [ $? -eq 1 ]']}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
resources: {{- toYaml .Values.postgres.resources | nindent 2 }}
volumeMounts:
  - {name: data, mountPath: /var/lib/postgresql/data}
  - {name: run, mountPath: /var/run/postgresql, subPath: run}
  - {name: run, mountPath: /tmp, subPath: tmp}
  - {name: shm, mountPath: /dev/shm}
{{- end -}}

{{/* The durability of committed likes depends on these. */}}
{{- define "likewise.postgres.parameters" -}}
max_connections: {{ .Values.postgres.maxConnections }}
fsync: "on"
full_page_writes: "on"
synchronous_commit: "on"
{{- end -}}
