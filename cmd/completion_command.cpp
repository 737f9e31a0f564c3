// callctl completion: the scripts that a shell reads. They know nothing of the commands: they ask `callctl __complete`.
#include <CLI/CLI.hpp>

#include "cmd/command.hpp"
#include "cmd/completion.hpp"

namespace call::cmd {
namespace {

constexpr std::string_view kBash =
    R"sh(# bash completion of callctl. Load it:  source <(callctl completion bash)
_callctl() {
  local cur line cword=$COMP_CWORD
  local -a words=("${COMP_WORDS[@]}")
  cur=${words[cword]}
  # With bash-completion installed, names that hold a colon are one word.
  if declare -F _get_comp_words_by_ref >/dev/null; then
    _get_comp_words_by_ref -n : cur words cword
  fi
  COMPREPLY=()
  while IFS= read -r line; do
    if [ "$line" = ":files" ]; then
      compopt -o filenames 2>/dev/null
      mapfile -t COMPREPLY < <(compgen -f -- "$cur")
      return
    fi
    COMPREPLY+=("$(printf '%q' "${line%%$'\t'*}")")
  done < <(callctl __complete -- "${words[@]:1:cword}" 2>/dev/null)
  if declare -F __ltrim_colon_completions >/dev/null; then
    __ltrim_colon_completions "$cur"
  fi
}
complete -F _callctl callctl
)sh";

constexpr std::string_view kZsh = R"sh(#compdef callctl
# zsh completion of callctl. Load it:  source <(callctl completion zsh)
_callctl() {
  local line
  local -a lines described
  lines=("${(@f)$(callctl __complete -- "${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ ${lines[1]} == ":files" ]]; then
    _files
    return
  fi
  for line in "${lines[@]}"; do
    [[ -n $line ]] || continue
    if [[ $line == *$'\t'* ]]; then
      described+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
    else
      described+=("${line//:/\\:}")
    fi
  done
  _describe callctl described
}
if [[ ${funcstack[1]} == _callctl ]]; then
  _callctl "$@"
else
  compdef _callctl callctl
fi
)sh";

constexpr std::string_view kFish =
    R"sh(# fish completion of callctl. Load it:  callctl completion fish | source
function __callctl_complete
  set -l words (commandline -opc) (commandline -ct)
  set -l found (callctl __complete -- $words[2..-1] 2>/dev/null)
  if test "$found[1]" = ":files"
    __fish_complete_path (commandline -ct)
  else
    printf '%s\n' $found
  end
end
complete -c callctl -f -a '(__callctl_complete)'
)sh";

struct CompletionOptions {
  std::string shell;
};

Result<Exit> completion(Session& session, const CompletionOptions& options) {
  CALL_CHECK(refuse_format(session, "a shell script"));
  CALL_CHECK(print(options.shell == "bash" ? kBash : options.shell == "zsh" ? kZsh : kFish));
  return kDone;
}

}  // namespace

void add_completion_command(CLI::App& app, Session& session) {
  add_command<CompletionOptions>(
      app, session, "completion", "The script that completes callctl's command lines in a shell",
      [](CLI::App& command, CompletionOptions& options) {
        command.add_option("shell", options.shell, "Which shell")
            ->required()
            ->type_name("bash|zsh|fish")
            ->check(CLI::IsMember({"bash", "zsh", "fish"}));
      },
      completion);
}

}  // namespace call::cmd
