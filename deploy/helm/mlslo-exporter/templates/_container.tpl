{{/*
The exporter as a native sidecar, an element of `initContainers` with `restartPolicy: Always`. In a chart that has
this one among its dependencies:

    initContainers:
      {{- include "mlslo-exporter.sidecar" (index .Subcharts "mlslo-exporter") | nindent 8 }}

It has a liveness probe and no other: a startup probe would hold the model back, and a readiness probe would take the
model out of service when the exporter is blind.
*/}}
{{- define "mlslo-exporter.sidecar" -}}
- restartPolicy: Always
  {{- include "mlslo-exporter.container" . | nindent 2 }}
  {{- include "mlslo-exporter.liveness" . | nindent 2 }}
  {{- if .Values.drainSeconds }}
  lifecycle:
    preStop: {sleep: {seconds: {{ .Values.drainSeconds }}}}
  {{- end }}
{{- end }}

{{/* What the model's container mounts to write its log. */}}
{{- define "mlslo-exporter.logMount" -}}
- {name: mlslo-logs, mountPath: {{ .Values.logs.mountPath | quote }}}
{{- end }}

{{/* The container in all modes. */}}
{{- define "mlslo-exporter.container" -}}
name: mlslo-exporter
image: {{ include "mlslo-exporter.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
args:
  - run
  {{- if eq .Values.mode "batch" }}
  - --once-then-exit
  {{- with .Values.batch.pushGateway }}
  - {{ printf "--push-gateway.url=%s" . | quote }}
  {{- end }}
  {{- with .Values.batch.remoteWrite }}
  - {{ printf "--remote-write.url=%s" . | quote }}
  {{- end }}
  - {{ printf "--delivery.job=%s" .Values.batch.job | quote }}
  {{- if .Values.batch.httpConfigSecret }}
  - --delivery.http.config.file=/etc/mlslo-delivery/http.yaml
  {{- end }}
  {{- end }}
  - --state-dir=/var/lib/mlslo
  {{- if ne .Values.mode "batch" }}
  - --web.listen-address=:{{ .Values.web.port }}
  {{- if .Values.web.configSecret }}
  - --web.config.file=/etc/mlslo-web/web.yaml
  {{- end }}
  {{- if .Values.push.enabled }}
  - --push.listen-address=:{{ .Values.push.port }}
  {{- if .Values.push.tokenSecret }}
  - --push.token-file=/etc/mlslo-push/token
  {{- end }}
  {{- end }}
  {{- end }}
  {{- with .Values.args }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- range $name, $_ := .Values.monitors }}
  - /etc/mlslo/{{ $name }}
  {{- end }}
{{- with .Values.env }}
env:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if ne .Values.mode "batch" }}
ports:
  - {name: mlslo-metrics, containerPort: {{ .Values.web.port }}, protocol: TCP}
  {{- if .Values.push.enabled }}
  - {name: mlslo-push, containerPort: {{ .Values.push.port }}, protocol: TCP}
  {{- end }}
{{- end }}
resources:
  {{- toYaml .Values.resources | nindent 2 }}
securityContext:
  {{- include "mlslo-exporter.securityContext" . | nindent 2 }}
volumeMounts:
  - {name: mlslo-config, mountPath: /etc/mlslo, readOnly: true}
  - {name: mlslo-state, mountPath: /var/lib/mlslo}
  - {name: mlslo-tmp, mountPath: /tmp}
  {{- if or .Values.logs.volume (eq .Values.mode "sidecar") }}
  - {name: mlslo-logs, mountPath: {{ .Values.logs.mountPath | quote }}, readOnly: true}
  {{- end }}
  {{- if and .Values.web.configSecret (ne .Values.mode "batch") }}
  - {name: mlslo-web, mountPath: /etc/mlslo-web, readOnly: true}
  {{- end }}
  {{- if and .Values.push.enabled .Values.push.tokenSecret (ne .Values.mode "batch") }}
  - {name: mlslo-push, mountPath: /etc/mlslo-push, readOnly: true}
  {{- end }}
  {{- if and .Values.batch.httpConfigSecret (eq .Values.mode "batch") }}
  - {name: mlslo-delivery, mountPath: /etc/mlslo-delivery, readOnly: true}
  {{- end }}
  {{- with .Values.volumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* All of it at the container: in somebody else's pod the pod's own is not ours to set. */}}
{{- define "mlslo-exporter.securityContext" -}}
runAsNonRoot: true
runAsUser: {{ int64 .Values.user }}
runAsGroup: {{ int64 .Values.group }}
readOnlyRootFilesystem: true
allowPrivilegeEscalation: false
privileged: false
capabilities: {drop: [ALL]}
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{/* Ten failures in five minutes: a restart makes the model's pod unready for as long as it takes. */}}
{{- define "mlslo-exporter.liveness" -}}
{{- $type := default (ternary "tcp" "http" (ne .Values.web.configSecret "")) .Values.web.liveness -}}
livenessProbe:
  {{- if eq $type "tcp" }}
  tcpSocket: {port: mlslo-metrics}
  {{- else }}
  httpGet: {path: /-/healthy, port: mlslo-metrics, scheme: {{ upper $type }}}
  {{- end }}
  periodSeconds: 30
  timeoutSeconds: 5
  failureThreshold: 10
{{- end }}
