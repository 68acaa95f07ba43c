#!/bin/sh
# The journal of this host, a stand-in: of kubelet, whose log is a file here, since some seconds ago.
since=3600; for word; do case $word in --since=-*s) since=${word#--since=-}; since=${since%s};; esac; done
awk -v since="$(date -d "$since seconds ago" "+%m%d %H:%M:%S")" 'substr($0, 2, 13) >= since' /var/log/kubelet.log
