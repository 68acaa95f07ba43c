# Makes what real masters live in, and runs the command "$@" there: cgroups below kops-recovery-$ID, then namespaces of processes, mounts,
# cgroups and the network. The network has no way out: a bridge for the masters, and loopback. All of it ends with the process that started it.
set -e
own=kops-recovery-$ID
enter() { mkdir "$1/$own"; [ ! -e "$1/$own/cpuset.cpus" ] || { cat "$1/cpuset.cpus" >"$1/$own/cpuset.cpus"; cat "$1/cpuset.mems" >"$1/$own/cpuset.mems"; }; echo $$ >"$1/$own/cgroup.procs"; }
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then enter /sys/fs/cgroup
else for c in /sys/fs/cgroup/*/; do enter "${c%/}"; done; fi
exec setpriv --pdeathsig KILL unshare --cgroup --net --mount --pid --ipc --fork --kill-child --mount-proc --propagation private sh -c '
set -e
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
  mount -t cgroup2 cgroup2 /sys/fs/cgroup
  mkdir /sys/fs/cgroup/rest; for p in $(cat /sys/fs/cgroup/cgroup.procs); do echo $p >/sys/fs/cgroup/rest/cgroup.procs || true; done
else for c in /sys/fs/cgroup/*/; do
  c=${c%/}; n=${c##*/}; t=$(awk -v c="$c" "\$2 == c { print \$3 }" /proc/mounts | tail -n 1); umount -l "$c"
  case $t,$n in
  cgroup2,*) mount -t cgroup2 cgroup2 "$c";;
  *,systemd) mount -t cgroup -o none,name=systemd cgroup "$c";;
  *) mount -t cgroup -o "$n" cgroup "$c";;
  esac
done; fi
mount -t tmpfs -o mode=755 masters /media
mkdir -m 1777 /media/tmp
: >/media/empty; mount --bind /media/empty /etc/resolv.conf
ip link set lo up
ip link add masters type bridge
ip addr add 198.18.0.1/32 dev masters
ip link set masters up
ip route add default dev masters
export TMPDIR=/media/tmp KOPS_RECOVERY_NAMESPACES='"$ID"'
set +e
"$@"
exit $?' sh "$@"
