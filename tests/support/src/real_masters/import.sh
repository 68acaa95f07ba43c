# Imports the image of folder $1 once, by a containerd that runs for this only: each master gets a copy of what that leaves.
set -e
cd "$1"
printf 'version = 2\nroot = "%s/containerd"\nstate = "%s/state"\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n[grpc]\n  address = "%s/containerd.sock"\n' "$1" "$1" "$1" >config.toml
containerd -c config.toml >import.log 2>&1 &
p=$!
trap 'kill $p; wait $p || true' EXIT
n=0; until ctr -a "$1/containerd.sock" --connect-timeout 1s version >/dev/null 2>&1; do n=$((n+1)); [ $n -lt 60 ]; sleep 0.1; done
ctr -a "$1/containerd.sock" -n k8s.io images import image.tar >>import.log 2>&1
rm image.tar
