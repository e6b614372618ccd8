{{/* SPDX-License-Identifier: Apache-2.0. What several templates share. */}}

{{- define "usvhost.name" -}}
{{- $own := .Release.Name -}}
{{- if not (contains .Chart.Name $own) -}}{{- $own = printf "%s-%s" $own .Chart.Name -}}{{- end -}}
{{- $own | trunc 45 | trimSuffix "-" -}}
{{- end -}}

{{/* Labels of one component: (list $ "agent"). */}}
{{- define "usvhost.selector" -}}
app.kubernetes.io/name: {{ (index . 0).Chart.Name }}
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- define "usvhost.labels" -}}
{{ include "usvhost.selector" . }}
app.kubernetes.io/version: {{ (index . 0).Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ (index . 0).Release.Service }}
{{- end -}}

{{- define "usvhost.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}{{ .repository }}@{{ .digest }}{{- else -}}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{- end -}}
{{- end -}}
{{- end -}}

{{/* What every container begins with. Its last words are seen by kubectl describe. */}}
{{- define "usvhost.containerImage" -}}
image: {{ include "usvhost.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
terminationMessagePolicy: FallbackToLogsOnError
{{- end -}}

{{/* multus, chained or none. */}}
{{- define "usvhost.mode" -}}
{{- if ne .Values.network.mode "auto" -}}{{ .Values.network.mode }}
{{- else if .Capabilities.APIVersions.Has "k8s.cni.cncf.io/v1" -}}multus
{{- else -}}chained{{- end -}}
{{- end -}}

{{/* No container of this chart has more than this. */}}
{{- define "usvhost.containerSecurity" -}}
allowPrivilegeEscalation: false
privileged: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{/* Where pods of the node stand: on each node, as early and as long as can be. In chained mode every pod's network waits for the agent,
     so that these must have none of it. */}}
{{- define "usvhost.nodePod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- if eq (include "usvhost.mode" .) "chained" }}
hostNetwork: true
{{- end }}
dnsPolicy: Default
priorityClassName: {{ .Values.priorityClassName }}
nodeSelector:
  kubernetes.io/os: linux
  {{- with .Values.nodeSelector }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
tolerations:
  {{- toYaml .Values.tolerations | nindent 2 }}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsUser: 0
  runAsGroup: 0
{{- end -}}

{{/* The runtime's directories at /host, for `usvhost install --root /host`. */}}
{{- define "usvhost.hostFlags" -}}
- --root=/host
- --cni-bin-dir={{ .Values.cni.binDirectory }}
- --cni-conf-dir={{ .Values.cni.confDirectory }}
{{- end -}}

{{- define "usvhost.hostMounts" -}}
- name: cni-bin
  mountPath: /host{{ .Values.cni.binDirectory }}
- name: cni-conf
  mountPath: /host{{ .Values.cni.confDirectory }}
{{- end -}}

{{- define "usvhost.hostVolumes" -}}
- name: cni-bin
  hostPath: { path: {{ .Values.cni.binDirectory }}, type: DirectoryOrCreate }
- name: cni-conf
  hostPath: { path: {{ .Values.cni.confDirectory }}, type: DirectoryOrCreate }
{{- end -}}

{{/* Resources of the agent: slices are charged to it, so its limits grow with them. */}}
{{- define "usvhost.agentResources" -}}
{{- $shm := 0 -}}{{- $huge := 0 -}}
{{- range .Values.agent.config.slices -}}
{{- $all := mul (.count | default 1) (.sizeMi | default 64) -}}
{{- if eq .kind "shm" -}}{{- $shm = add $shm $all -}}{{- else -}}{{- $huge = add $huge $all -}}{{- end -}}
{{- end -}}
{{- $memory := printf "%dMi" (add .Values.agent.memoryMi $shm) -}}
{{- $pages := dict -}}
{{- if $huge -}}{{- $pages = dict (printf "hugepages-%s" .Values.agent.hugepageSize) (printf "%dMi" $huge) -}}{{- end -}}
requests:
  {{- toYaml (merge (dict "cpu" .Values.agent.cpu "memory" $memory) $pages) | nindent 2 }}
limits:
  {{- toYaml (merge (dict "memory" $memory) $pages) | nindent 2 }}
{{- end -}}

{{/* Directories of slices, JSON list: the same path for the agent and for the node. */}}
{{- define "usvhost.sliceDirectories" -}}
{{- $found := list -}}
{{- range .Values.agent.config.slices -}}
{{- if .directory -}}{{- $found = append $found .directory -}}
{{- else if eq .kind "hugepages" -}}{{- $found = append $found "/dev/hugepages" -}}{{- end -}}
{{- end -}}
{{- $found | uniq | toJson -}}
{{- end -}}

{{/* "true" where the kubelet and others can reach the agent's HTTP server: by default it has the pod's own address. */}}
{{- define "usvhost.served" -}}
{{- $config := .Values.agent.config -}}
{{- if not (hasKey $config "metricsAddress") -}}true
{{- else if not (or (kindIs "invalid" $config.metricsAddress) (hasPrefix "127." ($config.metricsAddress | default "")) (eq "::1" ($config.metricsAddress | default ""))) -}}true{{- end -}}
{{- end -}}

{{/* Options of the plugin in a network, JSON: (list $ options). A tap is for the user of the webhook's sidecars unless it says else. */}}
{{- define "usvhost.pluginOptions" -}}
{{- $own := dict -}}
{{- with (index . 0).Values.webhook -}}
{{- if .enabled -}}{{- $own = dict "uid" (int64 (.config.uid | default 65532)) -}}{{- end -}}
{{- end -}}
{{- merge (dict) (index . 1 | default dict) $own | toJson -}}
{{- end -}}

{{/* The webhook's configuration file: what follows from other values, below what is given. */}}
{{- define "usvhost.webhookConfig" -}}
{{- $attach := ternary "chained" "multus" (eq (include "usvhost.mode" .) "chained") -}}
{{- $own := dict "attach" $attach "image" (include "usvhost.image" .) "imagePullPolicy" .Values.image.pullPolicy -}}
{{- with .Values.network.definitions -}}
{{- with first . -}}{{- $_ := set $own "defaultNetwork" (printf "%s/%s" (.namespace | default $.Release.Namespace) .name) -}}{{- end -}}
{{- end -}}
{{- with .Values.agent.config.resourceName -}}{{- $_ := set $own "resourceName" . -}}{{- end -}}
{{- with .Values.agent.config.ports -}}{{- $_ := set $own "maxPorts" (int64 .) -}}{{- end -}}
{{- merge (dict) .Values.webhook.config $own | toPrettyJson -}}
{{- end -}}

{{- define "usvhost.metricsPort" -}}
{{- if hasKey .Values.agent.config "metricsPort" -}}{{ int64 .Values.agent.config.metricsPort }}{{- else -}}9808{{- end -}}
{{- end -}}

{{/* "true" where the agent talks to the API server. */}}
{{- define "usvhost.kubernetes" -}}
{{- if ne (.Values.agent.config.kubernetes | default "auto") "off" -}}true{{- end -}}
{{- end -}}

{{/* "true" where the cluster can keep an agent to its own node (Kubernetes 1.30). */}}
{{- define "usvhost.policies" -}}
{{- if semverCompare ">=1.30.0-0" .Capabilities.KubeVersion.Version -}}true{{- end -}}
{{- end -}}

{{/* "true" where nodes get their condition: the right to write it is not given without the policy that confines it. */}}
{{- define "usvhost.nodeCondition" -}}
{{- $config := .Values.agent.config -}}
{{- if and (eq (include "usvhost.policies" .) "true") (or (not (hasKey $config "nodeCondition")) $config.nodeCondition) -}}true{{- end -}}
{{- end -}}

{{/* Requests of an agent, and the node that its token is bound to: (list $ account). A token of no node fits none. */}}
{{- define "usvhost.agentRequests" -}}
matchConditions:
  - name: agent
    expression: request.userInfo.username == 'system:serviceaccount:{{ (index . 0).Release.Namespace }}:{{ index . 1 }}'
variables:
  - name: node
    expression: >-
      has(request.userInfo.extra) && 'authentication.kubernetes.io/node-name' in request.userInfo.extra
      ? request.userInfo.extra['authentication.kubernetes.io/node-name'][0] : ''
{{- end -}}
