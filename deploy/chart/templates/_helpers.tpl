{{/* The name of the application, which is in labels. */}}
{{- define "k8supdater.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{/*
The name of the operator's objects, and the beginning of all others. A release that is called like the chart, or after it, needs no second
name. 50 characters leave room for what is appended in the 63 that a label may have.
*/}}
{{- define "k8supdater.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* The ServiceAccount that the operator runs as. */}}
{{- define "k8supdater.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "k8supdater.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* Labels of the operator's pods, by which others choose them. They never change, because a Deployment's selector cannot. */}}
{{- define "k8supdater.selector" -}}
app.kubernetes.io/name: {{ include "k8supdater.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{/* The same for the Job that installs plugins: another name, so that Deployment, budget and Service do not take its pod for one of theirs. */}}
{{- define "k8supdater.installerSelector" -}}
app.kubernetes.io/name: {{ include "k8supdater.name" . }}-installer
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{/* Labels that every object has beside its selector's. */}}
{{- define "k8supdater.furtherLabels" -}}
app.kubernetes.io/version: {{ .Chart.AppVersion | replace "+" "_" | trunc 63 | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Labels of an object. */}}
{{- define "k8supdater.labels" -}}
{{ include "k8supdater.selector" . }}
{{ include "k8supdater.furtherLabels" . }}
{{- end -}}

{{/* Labels of an object of the Job that installs plugins. */}}
{{- define "k8supdater.installerLabels" -}}
{{ include "k8supdater.installerSelector" . }}
{{ include "k8supdater.furtherLabels" . }}
{{- end -}}

{{/* The image. With a digest it is the digest that counts, and the tag is there for whoever reads it. */}}
{{- define "k8supdater.image" -}}
{{- .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- with .Values.image.digest }}@{{ . }}{{ end -}}
{{- end -}}

{{/* What the restricted profile of Pod Security asks of a pod. */}}
{{- define "k8supdater.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{/* And of a container. */}}
{{- define "k8supdater.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}
