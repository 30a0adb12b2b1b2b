{{/*
What the schema cannot say: values that go together. It is included once, by the Deployment, and ends with the name of the value.
The operator would refuse most of it as well, but only once it runs.
*/}}
{{- define "k8supdater.check" -}}
{{- $config := .Values.config -}}
{{- if and $config.ca.existingConfigMap $config.ca.existingSecret -}}
{{- fail "config.ca: set existingConfigMap or existingSecret, not both" -}}
{{- end -}}
{{- $email := $config.email -}}
{{- if or $email.host $email.port $email.sender $email.recipients $email.username $email.tls $email.password.existingSecret -}}
{{- range $name := list "host" "sender" "recipients" -}}
{{- if not (get $email $name) -}}
{{- fail (printf "config.email.%s is not set: mails need a server, a sender and somebody to go to" $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and $email.username (not $email.password.existingSecret) -}}
{{- fail "config.email.password.existingSecret is not set: a login is a user name and a password" -}}
{{- end -}}
{{- $telegram := $config.telegram -}}
{{- if or $telegram.chatId $telegram.apiUrl $telegram.token.existingSecret -}}
{{- if not $telegram.chatId -}}
{{- fail "config.telegram.chatId is not set: messages need a bot and a chat to go to" -}}
{{- end -}}
{{- if not $telegram.token.existingSecret -}}
{{- fail "config.telegram.token.existingSecret is not set: messages need a bot and a chat to go to" -}}
{{- end -}}
{{- end -}}
{{- $set := dict -}}
{{- range include "k8supdater.env" . | fromYamlArray -}}
{{- $_ := set $set .name true -}}
{{- end -}}
{{- $secrets := list "GITLAB_TOKEN" "EMAIL_PASSWORD" "TELEGRAM_TOKEN" "OTEL_EXPORTER_OTLP_HEADERS" "OTEL_EXPORTER_OTLP_TRACES_HEADERS" -}}
{{- range .Values.env -}}
{{- if hasKey $set .name -}}
{{- fail (printf "env: %s is set by another value of the chart, or twice" .name) -}}
{{- end -}}
{{- if and (has .name $secrets) (hasKey . "value") -}}
{{- fail (printf "env: %s is a secret, and a value would stand in the release for everybody to read; use valueFrom.secretKeyRef" .name) -}}
{{- end -}}
{{- $_ := set $set .name true -}}
{{- end -}}
{{- range $name := list "commonLabels" "podLabels" -}}
{{- range $label, $_ := get $.Values $name -}}
{{- if or (hasPrefix "helm.sh/" $label) (has $label (list "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/version" "app.kubernetes.io/managed-by")) -}}
{{- fail (printf "%s: the label %s is the chart's own" $name $label) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and .Values.serviceMonitor.enabled (not .Values.service.enabled) -}}
{{- fail "serviceMonitor.enabled: there is no Service to scrape; set service.enabled, or use podMonitor" -}}
{{- end -}}
{{- if and .Values.serviceMonitor.enabled .Values.podMonitor.enabled -}}
{{- fail "podMonitor.enabled: with serviceMonitor every pod would be scraped twice; use one of them" -}}
{{- end -}}
{{- end -}}
