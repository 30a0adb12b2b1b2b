{{/* The spec of the Job that installs the shipped plugins. Takes a dict: `root`, `account` that it runs as, and `owner` of what it installs. */}}
{{- define "k8supdater.installerSpec" -}}
{{- $values := .root.Values -}}
# It waits for the kinds by itself, for two minutes. The tries beyond the first one are for API servers that have a bad day.
backoffLimit: 4
# A day is enough to read its log.
ttlSecondsAfterFinished: 86400
template:
  metadata:
    labels:
      {{- include "k8supdater.installerLabels" .root | nindent 6 }}
  spec:
    restartPolicy: Never
    serviceAccountName: {{ .account | quote }}
    automountServiceAccountToken: true
    enableServiceLinks: false
    {{- with $values.imagePullSecrets }}
    imagePullSecrets:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- with $values.priorityClassName }}
    priorityClassName: {{ . | quote }}
    {{- end }}
    {{- with $values.nodeSelector }}
    nodeSelector:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- with $values.tolerations }}
    tolerations:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    securityContext:
      {{- include "k8supdater.podSecurity" .root | nindent 6 }}
    containers:
      - name: installer
        image: {{ include "k8supdater.image" .root | quote }}
        {{- with $values.image.pullPolicy }}
        imagePullPolicy: {{ . }}
        {{- end }}
        args: [plugin, install, --owner, {{ .owner | quote }}]
        env:
          - name: POD_NAMESPACE
            valueFrom:
              fieldRef:
                fieldPath: metadata.namespace
        # It reads ten files of 100 kB and sends them off: 46 MiB at most, in an unoptimised build.
        resources:
          requests:
            cpu: 10m
            memory: 32Mi
          limits:
            memory: 128Mi
        securityContext:
          {{- include "k8supdater.containerSecurity" .root | nindent 10 }}
{{- end -}}
