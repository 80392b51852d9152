{{- define "kube-ipvs.labels" -}}
app.kubernetes.io/name: kube-ipvs
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- /* Where the kubelet finds the server of health checks: the node's address, unless it listens on another one. */}}
{{- define "kube-ipvs.health" -}}
{{- $address := .Values.config.healthzBindAddress | default "0.0.0.0:10256" -}}
{{- $port := regexFind "[0-9]+$" (regexFind "^([^:]*|\\[.*\\]):[0-9]+$" $address) -}}
{{- $host := empty $port | ternary $address (trimSuffix (printf ":%s" $port) $address) -}}
{{- $host = regexReplaceAll "(^\\[|\\]$)" $host "" -}}
port: {{ $port | default "10256" }}
{{- if not (has $host (list "" "0.0.0.0" "::")) }}
host: {{ $host | quote }}
{{- end }}
{{- end }}
