"""The commands, one module an area.

The pattern of every command: parse with click, take the facade from `current_gatehouse()`, call one service, hand the
answer to `answer()`. Services raise; `app.cli` turns errors into sentences and exit codes.

    @click.group("names")
    def names_command() -> None:
        '''Names of models.'''

    @names_command.command("lint")
    @click.argument("names", nargs=-1, required=True)
    @json_option
    def lint(names: tuple[str, ...], as_json: bool) -> int:
        '''Say what is wrong with NAMES, and what they could be called.'''
        reports = [lint_name(name) for name in names]
        return answer({"names": [...]}, as_json=as_json, lines=[...], is_yes=all(report.ok for report in reports))

A command returns its exit code, which `answer` computes: 0 for yes, 1 for no.
"""
