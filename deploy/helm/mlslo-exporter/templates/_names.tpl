{{- define "mlslo-exporter.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "mlslo-exporter.fullname" -}}
{{- $name := include "mlslo-exporter.name" . -}}
{{- $full := contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) -}}
{{- default $full .Values.fullnameOverride | trunc 52 | trimSuffix "-" }}
{{- end }}

{{/* The Deployment of a model is not called after its exporter. */}}
{{- define "mlslo-exporter.deployment" -}}
{{- if eq .Values.mode "sidecar" -}}
{{- default .Release.Name .Values.fullnameOverride }}
{{- else -}}
{{- include "mlslo-exporter.fullname" . }}
{{- end }}
{{- end }}

{{- define "mlslo-exporter.selectorLabels" -}}
app.kubernetes.io/name: {{ include "mlslo-exporter.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "mlslo-exporter.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | quote }}
{{ include "mlslo-exporter.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
{{- with .Values.labels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The label of every pod that has the exporter in it: PodMonitor, ScrapeConfig and NetworkPolicy look for it. */}}
{{- define "mlslo-exporter.podLabels" -}}
mlslo-exporter: {{ include "mlslo-exporter.fullname" . | quote }}
{{- end }}

{{- define "mlslo-exporter.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ default $.Chart.AppVersion .tag }}{{ end }}
{{- end -}}
{{- end }}
