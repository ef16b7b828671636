"""Bringing a new version into service beside the old one, and back: two colours of processes behind one proxy, a gate that compares them.

plan.py       what runs where, as an operator wrote it down (release.toml)
figures.py    what the processes of a colour counted while they were watched;  prometheus.py: the same, asked of Prometheus
gate.py       whether the new colour is good enough, by thresholds that are data
proxies.py    nginx and HAProxy: how much of the traffic each colour gets
switching.py  step by step to the new colour, or back;  state.py: how far that is;  signals.py: what ends it
cluster.py    the same in Kubernetes, where Argo Rollouts does it
"""
