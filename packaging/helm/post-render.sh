#!/bin/sh
# helm upgrade … --post-renderer ./post-render.sh: patches what the chart renders. Needs kubectl.
set -eu
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
cp "$(dirname "$0")/kustomization.yaml" "$(dirname "$0")/sidecar.patch.yaml" "$directory"
cat > "$directory/rendered.yaml"
kubectl kustomize "$directory"
