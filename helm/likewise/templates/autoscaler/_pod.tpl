{{/*
The pods of the autoscaler and of its CronJob: (dict "root" $ "args" list-of-words "account" name "serves" bool).
"serves": the pod serves metrics and reads Redis.
*/}}
{{- define "likewise.autoscaler.name" -}}
{{ include "likewise.fullname" . }}-autoscaler
{{- end -}}

{{- define "likewise.autoscaler.env" -}}
- {name: LIKEWISE_AUTOSCALER_NAMESPACE, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}
- {name: LIKEWISE_AUTOSCALER_DEPLOYMENT, value: {{ include "likewise.fullname" . }}-api}
- {name: LIKEWISE_AUTOSCALER_HPA, value: {{ ternary (printf "%s-api" (include "likewise.fullname" .)) "" .Values.hpa.enabled | quote }}}
- {name: LIKEWISE_AUTOSCALER_FLUSHERS, value: {{ include "likewise.fullname" . }}-flusher}
- {name: LIKEWISE_AUTOSCALER_LEASE, value: {{ include "likewise.autoscaler.name" . }}}
- {name: LIKEWISE_AUTOSCALER_DECISIONS, value: {{ include "likewise.autoscaler.name" . }}}
- {name: LIKEWISE_AUTOSCALER_METRICS_HOST, value: "[::]"}
- {name: LIKEWISE_AUTOSCALER_METRICS_PORT, value: {{ .Values.metrics.port | quote }}}
- {name: LIKEWISE_AUTOSCALER_MIN_REPLICAS, value: {{ .Values.hpa.minReplicas | quote }}}
- {name: LIKEWISE_AUTOSCALER_MAX_REPLICAS, value: {{ .Values.hpa.maxReplicas | quote }}}
- {name: LIKEWISE_AUTOSCALER_MIN_FLUSHERS, value: {{ .Values.flusher.replicas | quote }}}
{{- if not (hasKey .Values.autoscaler.settings "max_flushers") }}
- {name: LIKEWISE_AUTOSCALER_MAX_FLUSHERS, value: {{ include "likewise.flusher.maxReplicas" . | quote }}}
{{- end }}
{{- range $name, $value := .Values.autoscaler.settings }}
- {name: LIKEWISE_AUTOSCALER_{{ upper $name }}, value: {{ include "likewise.setting" $value | quote }}}
{{- end }}
{{- end -}}

{{- define "likewise.autoscaler.pod" -}}
{{- $root := .root -}}
{{- with $root.Values.autoscaler -}}
serviceAccountName: {{ $.account }}
# It calls the API server with the permissions of its account.
automountServiceAccountToken: true
enableServiceLinks: false
{{- include "likewise.pullSecrets" $root }}
securityContext: {{- include "likewise.podSecurity" 10001 | nindent 2 }}
{{- include "likewise.scheduling" . }}
containers:
  - name: autoscaler
    image: {{ include "likewise.image" (dict "root" $root "image" $root.Values.image) }}
    imagePullPolicy: {{ $root.Values.image.pullPolicy }}
    command: {{- toYaml (concat (list "likewise-autoscaler") $.args) | nindent 6 }}
    securityContext: {{- include "likewise.containerSecurity" $root | nindent 6 }}
    {{- if $.serves }}
    ports:
      - {name: metrics, containerPort: {{ $root.Values.metrics.port }}}
    startupProbe:
      httpGet: {path: /livez, port: metrics}
      periodSeconds: 1
      failureThreshold: 60
    livenessProbe:
      httpGet: {path: /livez, port: metrics}
      periodSeconds: 10
      timeoutSeconds: 5
      failureThreshold: 3
    {{- end }}
    env:
      {{- include "likewise.autoscaler.env" $root | nindent 6 }}
      {{- if $.serves }}
      {{- include "likewise.redis.env" $root | nindent 6 }}
      {{- end }}
      {{- with .extraEnv }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    resources: {{- toYaml .resources | nindent 6 }}
    volumeMounts:
      {{- include "likewise.tmpMount" $root | nindent 6 }}
      {{- if $.serves }}
      {{- include "likewise.redis.volumeMounts" $root | nindent 6 }}
      {{- end }}
volumes:
  {{- include "likewise.tmpVolume" $root | nindent 2 }}
  {{- if $.serves }}
  {{- include "likewise.redis.volumes" $root | nindent 2 }}
  {{- end }}
{{- end }}
{{- end -}}
