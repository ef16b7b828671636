#!/bin/sh
# A Sentinel that watches whoever the others say leads; the first pod where nobody says so. Two of three have to agree that one is gone.
set -eu
group=tidings-valkey
me=$(hostname).$group
leader=
for number in 0 1 2; do
    [ -n "$leader" ] || leader=$(timeout 5 valkey-cli -h "$group-$number.$group" -p 26379 sentinel get-master-addr-by-name tidings 2>/dev/null | head -n 1) || true
done
leader=${leader:-$group-0.$group}
# It knows whom it watches only by an address or a name that it can look up.
until getent hosts "$leader" >/dev/null; do sleep 1; done
umask 077
cat >/data/sentinel.conf <<CONF
port 26379
protected-mode no
dir /data
sentinel resolve-hostnames yes
sentinel announce-hostnames yes
sentinel announce-ip $me
sentinel monitor tidings $leader 6379 2
sentinel auth-pass tidings $(cat /etc/tidings/redis_password)
sentinel down-after-milliseconds tidings 5000
sentinel failover-timeout tidings 15000
sentinel parallel-syncs tidings 1
CONF
exec valkey-server /data/sentinel.conf --sentinel
