# What a master needs of this kernel, tried.
set -e
mkdir -p /media/probe/lower /media/probe/upper /media/probe/work /media/probe/merged
mount -t overlay overlay -o lowerdir=/media/probe/lower,upperdir=/media/probe/upper,workdir=/media/probe/work /media/probe/merged
ip link add probe0 type veth peer name probe1
ip link set probe0 master masters
unshare --net --mount --uts --pid --fork --kill-child --mount-proc hostname probe
