{{/* Elements of `volumes` that the exporter needs, in all modes. */}}
{{- define "mlslo-exporter.volumes" -}}
- name: mlslo-config
  configMap:
    name: {{ include "mlslo-exporter.fullname" . | quote }}
    items:
      {{- range $name, $_ := .Values.monitors }}
      - {key: {{ $name }}, path: {{ $name }}}
      {{- end }}
      {{- range $name, $_ := .Values.references }}
      - {key: {{ $name }}, path: references/{{ $name }}}
      {{- end }}
- name: mlslo-state
  {{- if .Values.state.volume }}
  {{- toYaml .Values.state.volume | nindent 2 }}
  {{- else if eq (include "mlslo-exporter.claims" .) "true" }}
  persistentVolumeClaim: {claimName: "{{ include "mlslo-exporter.fullname" . }}-state"}
  {{- else }}
  emptyDir: {sizeLimit: {{ .Values.state.sizeLimit | quote }}}
  {{- end }}
- name: mlslo-tmp
  emptyDir: {sizeLimit: 1Gi}
{{- if .Values.logs.volume }}
- name: mlslo-logs
  {{- toYaml .Values.logs.volume | nindent 2 }}
{{- else if eq .Values.mode "sidecar" }}
- name: mlslo-logs
  emptyDir: {sizeLimit: {{ .Values.logs.sizeLimit | quote }}}
{{- end }}
{{- if ne .Values.mode "batch" }}
{{- with .Values.web.configSecret }}
- name: mlslo-web
  secret: {secretName: {{ . | quote }}}
{{- end }}
{{- if and .Values.push.enabled .Values.push.tokenSecret }}
- name: mlslo-push
  secret: {secretName: {{ .Values.push.tokenSecret | quote }}}
{{- end }}
{{- else if .Values.batch.httpConfigSecret }}
- name: mlslo-delivery
  secret: {secretName: {{ .Values.batch.httpConfigSecret | quote }}}
{{- end }}
{{- with .Values.volumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Whether the state is in a claim of its own: a sidecar's cannot be, there is one for each replica. */}}
{{- define "mlslo-exporter.claims" -}}
{{- and (ne .Values.mode "sidecar") (not .Values.state.volume) .Values.state.persistence.enabled -}}
{{- end }}
