#!/bin/sh
# The unit manager of this host, a stand-in: it starts and stops the real kubelet and sshd.
do=$1; unit=${2%.service}
case $unit in
kubelet) command='KUBELET --config=/etc/kubernetes/kubelet.yaml --kubeconfig=/etc/kubernetes/kubelet.kubeconfig --root-dir=/var/lib/kubelet --hostname-override=NODE --node-ip=ADDRESS';;
sshd) command='SSHD -D -e -f FOLDER/sshd_config';;
*) echo "Unit $unit.service not found." >&2; exit 5;;
esac
alive() { p=$(cat /run/$unit.pid 2>/dev/null) && kill -0 $p 2>/dev/null; }
stop() { alive || return 0; kill $p; n=0; while kill -0 $p 2>/dev/null; do n=$((n+1)); [ $n -lt 100 ] || kill -9 $p; sleep 0.1; done; }
start() { alive || { setsid $command >>/var/log/$unit.log 2>&1 </dev/null & echo $! >/run/$unit.pid; }; }
case $do in start|restart) [ ! -e /run/$unit.masked ];; esac || { echo "Failed to $do $unit.service: Unit $unit.service is masked." >&2; exit 1; }
case $do in
start|stop) $do;;
restart) stop; start;;
is-active) alive && echo active || { echo inactive; exit 3; };;
*) echo "Unknown command verb $do." >&2; exit 1;;
esac
