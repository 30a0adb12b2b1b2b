{{/*
What the operator may do with handlers and the workloads that they name. deploy/operator/rbac.yaml says the same, and which source file
needs each verb.
*/}}
{{- define "k8supdater.workloadRules" -}}
- apiGroups: [k8supdater.dev]
  resources: [versioninghandlers]
  verbs: [list, watch]
- apiGroups: [k8supdater.dev]
  resources: [versioninghandlers]
  verbs: [get]
- apiGroups: [k8supdater.dev]
  resources: [versioninghandlers]
  verbs: [patch]
{{- if .Values.rbac.fleets }}
# A handler for each workload that a handler with spec.selector matches.
- apiGroups: [k8supdater.dev]
  resources: [versioninghandlers]
  verbs: [create, delete]
{{- end }}
- apiGroups: [k8supdater.dev]
  resources: [versioninghandlers/status]
  verbs: [update]
- apiGroups: [apps]
  resources: [deployments, statefulsets, daemonsets]
  verbs: [get, list, watch, patch]
- apiGroups: [batch]
  resources: [cronjobs]
  verbs: [get, list, watch, patch]
- apiGroups: [batch]
  resources: [jobs]
  verbs: [list]
# Deletes those that a StatefulSet does not replace after a rollback.
- apiGroups: [""]
  resources: [pods]
  verbs: [list, delete]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- end -}}

{{/* Pull secrets of workloads, which their pod templates or ServiceAccounts name, and Secrets that handlers name; by name only. */}}
{{- define "k8supdater.secretRules" -}}
- apiGroups: [""]
  resources: [secrets, serviceaccounts]
  verbs: [get]
{{- end -}}

{{/* The platforms of the nodes, from their labels. */}}
{{- define "k8supdater.nodeRules" -}}
- apiGroups: [""]
  resources: [nodes]
  verbs: [list]
{{- end -}}

{{/*
A role with these rules and its binding to the operator, in the whole cluster or, with `namespace`, in one namespace.
Takes a dict: `root`, `suffix` of the name, `rules`, and perhaps `namespace`.
*/}}
{{- define "k8supdater.grant" -}}
{{- $scope := ternary "" "Cluster" (hasKey . "namespace") -}}
{{- $name := printf "%s%s" (include "k8supdater.fullname" .root) .suffix -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $scope }}Role
metadata:
  name: {{ $name | quote }}
  {{- with .namespace }}
  namespace: {{ . | quote }}
  {{- end }}
  labels:
    {{- include "k8supdater.labels" .root | nindent 4 }}
rules:
  {{- .rules | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $scope }}RoleBinding
metadata:
  name: {{ $name | quote }}
  {{- with .namespace }}
  namespace: {{ . | quote }}
  {{- end }}
  labels:
    {{- include "k8supdater.labels" .root | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ $scope }}Role
  name: {{ $name | quote }}
subjects:
  - kind: ServiceAccount
    name: {{ include "k8supdater.serviceAccount" .root | quote }}
    namespace: {{ .root.Release.Namespace | quote }}
{{- end -}}

{{/*
For plugins, and for the lease of the bot, in the operator's own namespace only. RBAC cannot tell metadata, which it watches, from values, so
the operator may read every Secret of this namespace: keep none here that is not meant for a plugin.
*/}}
{{- define "k8supdater.ownRules" -}}
- apiGroups: [k8supdater.dev]
  resources: [plugins]
  verbs: [list, watch]
- apiGroups: [k8supdater.dev]
  resources: [plugins/status]
  verbs: [update]
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, list, watch]
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, watch]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [create]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [k8supdater-bot]
  verbs: [get, update]
{{- end -}}
