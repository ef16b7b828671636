"""What proxies do wrong, as texts to replace in the configurations of docs/proxies."""

BUFFERS = "proxy_buffering on; proxy_buffers 8 64k; proxy_buffer_size 64k; proxy_ignore_headers X-Accel-Buffering;"

BUFFERING = {"proxy_buffering off;": BUFFERS}
COMPRESSING = {"gzip off;": "gzip on; gzip_types text/event-stream; gzip_proxied any; gzip_min_length 0;"}
CACHEABLE = {"gzip off;": 'proxy_hide_header Cache-Control; add_header Cache-Control "max-age=60";'}
CACHED = {"gzip off;": "add_header Age 12;"}
IMPATIENT_NGINX = {"proxy_read_timeout 75s": "proxy_read_timeout 3s"}
IMPATIENT_HAPROXY = {"timeout server 75s": "timeout server 3s"}
HIDING_HEALTH = {"location / {": "location /health { return 404; }\n        location / {"}
ELSEWHERE = {"location / {": "location /v1/stream/poll { return 404; }\n        location / {"}
SENT_ON = {"location / {": "location /v1/stream/poll { return 301 https://elsewhere.example$request_uri; }\n        location / {"}
SWALLOWING_OPTIONS = {"location / {": "if ($request_method = OPTIONS) { return 405; }\n        location / {"}
