"""ci-cd/: pipelines that take the release, as it is, from one channel to the next.

The work is done by deployment_pipeline.py, which is the same in every package; the files for GitHub
and GitLab start it, one job for each channel, and hand the bundle's digest from job to job.
"""

from typing import Final

from recipes.render.containers import template
from recipes.render.subject import Subject

CHANNELS: Final = ("dev", "staging", "production")
"""The channels that an application has at first."""

_GITHUB_HEAD = """\
# {name} {version}: from one channel to the next. Copy it to .github/workflows/{object}.yml.
# Variables: RECIPEBOX_URL, and APPLICATION (such as {namespace}/shop); secrets:
# RECIPEBOX_TOKEN, RECIPEBOX_SIGNING_KEY. Approvals belong to the environments staging and
# production.
name: Deploy {name}
on:
  workflow_dispatch:
permissions: {{}}
concurrency:
  group: deploy-{object}
  cancel-in-progress: false
env:
  RECIPEBOX_URL: ${{{{ vars.RECIPEBOX_URL }}}}
  APPLICATION: ${{{{ vars.APPLICATION }}}}
jobs:
"""

_GITHUB_JOB = """\
  {channel}:
    runs-on: ubuntu-latest
    timeout-minutes: 60
    environment: {channel}
{needs}    outputs:
      bundle: ${{{{ steps.promote.outputs.bundle }}}}
    steps:
      - name: Install recipebox
        run: pipx install recipebox
      - name: Fetch {name} {version}
        run: recipebox fetch '{name}@={version}' --out package
        env:
          RECIPEBOX_TOKEN: ${{{{ secrets.RECIPEBOX_TOKEN }}}}
      - name: Verify it and promote it to {channel}
        id: promote
        run: >-
          python3 'package/{title}/ci-cd/deployment_pipeline.py'
          --application "$APPLICATION" --to {channel}{bundle} --output "$GITHUB_OUTPUT"
        env:
          RECIPEBOX_TOKEN: ${{{{ secrets.RECIPEBOX_TOKEN }}}}
          RECIPEBOX_SIGNING_KEY: ${{{{ secrets.RECIPEBOX_SIGNING_KEY }}}}
{passed}"""

_GITLAB_HEAD = """\
# {name} {version}: from one channel to the next. Include it, or copy it to .gitlab-ci.yml.
# Variables: RECIPEBOX_URL, APPLICATION (such as {namespace}/shop); masked and protected:
# RECIPEBOX_TOKEN, RECIPEBOX_SIGNING_KEY.
stages:
{stages}
.deploy:
  image: {base}
  resource_group: deploy-{object}
  interruptible: false
  timeout: 1 hour
  variables:
    PIP_DISABLE_PIP_VERSION_CHECK: "1"
  before_script:
    - apt-get update -qq
    - apt-get install -y -qq --no-install-recommends gnupg
    - pip install --quiet recipebox
    - recipebox fetch '{name}@={version}' --out package
  artifacts:
    reports:
      dotenv: bundle.env
"""

_GITLAB_JOB = """
{channel}:
  extends: .deploy
  stage: {channel}
  environment:
    name: {channel}
{needs}  script:
    - >-
      python3 'package/{title}/ci-cd/deployment_pipeline.py'
      --application "$APPLICATION" --to {channel}{bundle} --output bundle.env
"""


def draw_pipelines(subject: Subject) -> dict[str, bytes]:
    """Return the files of ci-cd/, by their paths below the package."""
    return {
        "ci-cd/deployment_pipeline.py": template("deployment_pipeline.py"),
        "ci-cd/github-actions.yml": _github(subject).encode(),
        "ci-cd/gitlab-ci.yml": _gitlab(subject).encode(),
    }


def _names(subject: Subject) -> dict[str, str]:
    metadata = subject.metadata
    return {
        "name": metadata.name,
        "version": metadata.version,
        "title": metadata.title,
        "namespace": subject.namespace,
        "object": subject.object_name,
        "base": subject.base,
    }


def _github(subject: Subject) -> str:
    names = _names(subject)
    text = _GITHUB_HEAD.format(**names)
    before = ""
    for channel in CHANNELS:
        text += _GITHUB_JOB.format(
            **names,
            channel=channel,
            needs=f"    needs: {before}\n" if before else "",
            bundle=' --bundle "$BUNDLE"' if before else "",
            passed=f"          BUNDLE: ${{{{ needs.{before}.outputs.bundle }}}}\n"
            if before
            else "",
        )
        before = channel
    return text


def _gitlab(subject: Subject) -> str:
    names = _names(subject)
    stages = "".join(f"  - {channel}\n" for channel in CHANNELS)
    text = _GITLAB_HEAD.format(**names, stages=stages)
    before = ""
    for channel in CHANNELS:
        text += _GITLAB_JOB.format(
            **names,
            channel=channel,
            # a person goes on from there; the digest comes with it
            needs=f"  needs:\n    - job: {before}\n      artifacts: true\n  when: manual\n"
            if before
            else "",
            bundle=' --bundle "$bundle"' if before else "",
        )
        before = channel
    return text
