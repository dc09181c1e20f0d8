{{/*
New names of renamed settings by their old names, for each section of the values. An old name works for one release: it is
passed to the pods, which accept it with a warning. The names are those of RENAMED in service/settings.py and
autoscaler/settings.py.
*/}}
{{- define "likewise.renamedSettings" -}}
settings:
  limit_share_ms: limit_sync_ms
  mint_limit: new_visitor_limit
  redis_silence_s: redis_unready_after_s
  settled_ttl_s: idle_post_ttl_s
  signal_ms: load_report_ms
  slow_ms: slow_request_ms
autoscaler.settings:
  drain_s: queue_drain_s
  flush_age_s: max_pending_age_s
  future_s: max_clock_skew_s
  hold_s: stabilization_s
  lead_s: pod_startup_s
  lost_s: leaderless_s
  partial_share: max_missing_share
  raise_factor: max_scale_up_factor
  raise_utilisation: scale_up_utilization
  release_every_s: scale_down_period_s
  release_share: max_scale_down_share
  restart_hold_s: restart_stabilization_s
  target_utilisation: target_utilization
  warm_s: warmup_s
  yield_s: backoff_s
{{- end -}}

{{/* A JSON list of messages, one for each old name in the values. */}}
{{- define "likewise.renamedSettingsInUse" -}}
{{- $values := dict "settings" .Values.settings "autoscaler.settings" .Values.autoscaler.settings -}}
{{- $messages := list -}}
{{- range $section, $renamed := include "likewise.renamedSettings" . | fromYaml -}}
{{- range $old, $new := $renamed -}}
{{- if and (hasKey (get $values $section) $old) (hasKey (get $values $section) $new) -}}
{{- $messages = append $messages (printf "%s.%s is ignored, because %s.%s is set: remove it" $section $old $section $new) -}}
{{- else if hasKey (get $values $section) $old -}}
{{- $messages = append $messages (printf "%s.%s was renamed: use %s.%s" $section $old $section $new) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{ toJson $messages }}
{{- end -}}
