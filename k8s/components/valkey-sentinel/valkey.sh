#!/bin/sh
# A Valkey that follows whoever the Sentinels say leads; the first pod where there are none yet. One that led and comes back before it was
# replaced leads again, empty: Tidings then appends what its streams lack. Whoever leads beside another is made to follow by the Sentinels.
set -eu
group=tidings-valkey
me=$(hostname).$group
leader=
for number in 0 1 2; do
    [ -n "$leader" ] || leader=$(timeout 5 valkey-cli -h "$group-$number.$group" -p 26379 sentinel get-master-addr-by-name tidings 2>/dev/null | head -n 1) || true
done
leader=${leader:-$group-0.$group}
umask 077
cat >/data/valkey.conf <<CONF
port 6379
protected-mode no
dir /data
save ""
appendonly no
maxmemory ${MAXMEMORY:-256mb}
maxmemory-policy noeviction
replica-announce-ip $me
requirepass $(cat /etc/tidings/redis_password)
masterauth $(cat /etc/tidings/redis_password)
CONF
[ "$leader" = "$me" ] || echo "replicaof $leader 6379" >>/data/valkey.conf
exec valkey-server /data/valkey.conf
