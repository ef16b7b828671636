"""Two people with a browser each."""

import pytest
from push.browser import Browser, browser_of
from running import Project


@pytest.fixture
async def alice(project: Project) -> Browser:
    return await browser_of(project, "alice")


@pytest.fixture
async def bob(project: Project) -> Browser:
    return await browser_of(project, "bob")
