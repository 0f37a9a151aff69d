"""Print the completion script for a shell."""

import click

from recipebox.invocation import Invocation
from recipebox.prompts import pass_invocation


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@pass_invocation
def command(invocation: Invocation, shell: str) -> None:
    """Print the script that completes `recipebox` in SHELL.

    \b
    Examples:
      recipebox completion bash > ~/.local/share/bash-completion/completions/recipebox
      recipebox completion zsh > "${fpath[1]}/_recipebox"
      recipebox completion fish > ~/.config/fish/completions/recipebox.fish

    \b
    JSON: {shell, script}
    """  # noqa: D301 - \b is click's
    from click.shell_completion import get_completion_class

    from recipebox.group import COMPLETE_VARIABLE, group

    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"click has no completion for {shell}")
    script = found(group, {}, "recipebox", COMPLETE_VARIABLE).source()
    invocation.output.result({"shell": shell, "script": script})
    invocation.output.say(script)
