# The first process of one master: its own files, then its daemons. $M is its folder, $A its address, $N its node name.
set -e
while [ ! -e $M/connected ]; do sleep 0.05; done
ip link set lo up
ip link set eth0 up
ip addr add $A/32 dev eth0
ip route add default dev eth0
hostname $N
cp -a /etc/passwd /etc/group /etc/shadow /etc/nsswitch.conf /etc/ssl /etc/ld.so.cache /etc/ld.so.conf /etc/ld.so.conf.d /etc/alternatives $M/etc/ 2>/dev/null || true
cp -aL /etc/localtime $M/etc/ 2>/dev/null || true
: >$M/etc/resolv.conf
for d in etc run srv mnt; do mkdir -p $M/$d; mount --bind $M/$d /$d; done
for d in log lib; do mkdir -p $M/var/$d; mount --bind $M/var/$d /var/$d; done
cp -a $M/../image/containerd /var/lib/
mkdir -p /run/sshd /etc/kubernetes/manifests /var/lib/kubelet
export PATH=$M/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin
systemctl start sshd
containerd -c /etc/containerd/config.toml >/var/log/containerd.log 2>&1 &
echo $! >/run/containerd.pid
n=0; until ctr --connect-timeout 1s version >/dev/null 2>&1; do n=$((n+1)); [ $n -lt 60 ]; sleep 0.3; done
systemctl start kubelet
: >$M/up
while :; do sleep 3600 & wait $!; done
