"""Ports of the public internet that no HTTP is sent to, so that a URL cannot be used to talk to mail servers or databases there."""

# The bad ports of the Fetch standard (§2.8 "Port blocking"), as browsers have them.
BROWSERS = frozenset(
    {0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95}
    | {101, 102, 103, 104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179}
    | {389, 427, 465, 512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995}
    | {1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080}
)
# What browsers leave open, and servers have most to fear for: SMB, SQL Server, Oracle, ZooKeeper, MySQL, RDP, PostgreSQL, AMQP, VNC, Redis,
# Cassandra, Kafka, memcached, Sentinel, MongoDB.
STORES = frozenset({445, 1433, 1521, 2181, 3306, 3389, 5432, 5672, 5900, 6379, 9042, 9092, 11211, 26379, 27017})

NOT_HTTP = BROWSERS | STORES
