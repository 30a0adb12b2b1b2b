{{/* One environment variable, unless it is empty. Numbers are shown as numbers are written: 10000, and not 1e+04. */}}
{{- define "k8supdater.variable" -}}
{{- $value := .value -}}
{{- if kindIs "float64" $value }}{{ $value = int64 $value }}{{ end -}}
{{- if ne (toString $value) "" }}
- name: {{ .name }}
  value: {{ toString $value | quote }}
{{- end -}}
{{- end -}}

{{/* One environment variable from a key of a Secret, if there is one. */}}
{{- define "k8supdater.secretVariable" -}}
{{- if .from.existingSecret }}
- name: {{ .name }}
  valueFrom:
    secretKeyRef:
      name: {{ .from.existingSecret | quote }}
      key: {{ .from.key | quote }}
{{- end -}}
{{- end -}}

{{/* The environment variables that the chart sets, as a list. */}}
{{- define "k8supdater.env" -}}
{{- $config := .Values.config -}}
- name: POD_NAMESPACE
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: K8SUPDATER_CACHE_DIR
  value: /var/cache/k8supdater/compiled
{{- include "k8supdater.variable" (dict "name" "WATCH_NAMESPACES" "value" (join "," .Values.watchNamespaces)) }}
{{- include "k8supdater.variable" (dict "name" "REFRESH_FREQUENCY_IN_SECONDS" "value" $config.interval) }}
{{- include "k8supdater.variable" (dict "name" "VERSIONS_FRONTIER" "value" $config.frontier) }}
{{- include "k8supdater.variable" (dict "name" "LATEST_PREFERENCE" "value" (get (dict "Update" "true" "Notify" "false") $config.latest)) }}
{{- include "k8supdater.variable" (dict "name" "K8SUPDATER_MINIMUM_AGE" "value" $config.minimumAge) }}
{{- include "k8supdater.variable" (dict "name" "K8SUPDATER_DELAY_BETWEEN_UPDATES" "value" $config.delayBetweenUpdates) }}
{{- include "k8supdater.variable" (dict "name" "K8SUPDATER_ROLLBACK" "value" $config.rollback) }}
{{- include "k8supdater.variable" (dict "name" "K8SUPDATER_MAX_ROLLOUTS" "value" $config.maxRollouts) }}
{{- include "k8supdater.variable" (dict "name" "K8SUPDATER_CONCURRENCY" "value" $config.concurrency) }}
{{- include "k8supdater.variable" (dict "name" "K8SUPDATER_FAILING_AFTER" "value" $config.failingAfter) }}
{{- include "k8supdater.variable" (dict "name" "K8SUPDATER_PROXY" "value" $config.proxy) }}
{{- include "k8supdater.variable" (dict "name" "K8SUPDATER_LOG" "value" $config.log) }}
{{- include "k8supdater.variable" (dict "name" "K8SUPDATER_LOG_FORMAT" "value" $config.logFormat) }}
{{- if or $config.ca.existingConfigMap $config.ca.existingSecret }}
{{- include "k8supdater.variable" (dict "name" "K8SUPDATER_CA_FILE" "value" (printf "/etc/k8supdater/ca/%s" $config.ca.key)) }}
{{- end }}
{{- include "k8supdater.variable" (dict "name" "GITLAB_BASE_URL" "value" $config.gitlab.baseUrl) }}
{{- include "k8supdater.variable" (dict "name" "GITLAB_PROJECT_ID" "value" $config.gitlab.project) }}
{{- include "k8supdater.secretVariable" (dict "name" "GITLAB_TOKEN" "from" $config.gitlab.token) }}
{{- include "k8supdater.variable" (dict "name" "EMAIL_HOST" "value" $config.email.host) }}
{{- include "k8supdater.variable" (dict "name" "EMAIL_PORT" "value" $config.email.port) }}
{{- include "k8supdater.variable" (dict "name" "EMAIL_SENDER" "value" $config.email.sender) }}
{{- include "k8supdater.variable" (dict "name" "EMAIL_RECIPIENT" "value" (join "," $config.email.recipients)) }}
{{- include "k8supdater.variable" (dict "name" "EMAIL_USERNAME" "value" $config.email.username) }}
{{- include "k8supdater.variable" (dict "name" "EMAIL_TLS" "value" $config.email.tls) }}
{{- include "k8supdater.secretVariable" (dict "name" "EMAIL_PASSWORD" "from" $config.email.password) }}
{{- include "k8supdater.variable" (dict "name" "TELEGRAM_CHAT_ID" "value" $config.telegram.chatId) }}
{{- include "k8supdater.variable" (dict "name" "TELEGRAM_API_URL" "value" $config.telegram.apiUrl) }}
{{- include "k8supdater.secretVariable" (dict "name" "TELEGRAM_TOKEN" "from" $config.telegram.token) }}
{{- end -}}
