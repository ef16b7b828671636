"""`tidings release wait` and `promote`: what only Kubernetes needs. `gate` and `rollback` know `--overlay` too."""

import click

from tidings.releases import cluster
from tidings.releases.colours import Timing

overlay_option = click.option("--overlay", metavar="NAME", required=True, help="Of k8s/overlays, in kubectl's current context.")


@click.command("wait", short_help="In Kubernetes: wait until the new version is there.")
@overlay_option
def wait(overlay: str) -> None:
    """Wait until the migration is done and every process of the new version is ready. With blue-green it gets no traffic yet.

    Exit code 0 when it is so, 1 when it failed or takes too long, 3 without a cluster.

    \b
    Example:
      tidings release wait --overlay staging
    """
    cluster.wait(cluster.Overlay(overlay), Timing())
    click.echo("The new version is there.")


@click.command("promote", short_help="In Kubernetes: give the traffic to the new version.")
@overlay_option
def promote(overlay: str) -> None:
    """Give all of the traffic to the new version. The old one is kept for a rollback, then drained in a paced way.

    Exit code 0 when it has the traffic, 1 when Argo Rollouts gave up or it takes too long, 3 without a cluster.

    \b
    Example:
      tidings release promote --overlay staging
    """
    cluster.promote(cluster.Overlay(overlay), Timing())
    click.echo("The new version has all of the traffic.")
