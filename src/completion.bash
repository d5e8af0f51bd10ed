# Completion of dokku-storage for bash, as `dokku-storage completion bash` prints it.

# Prints the names in a list of the program.
_dokku_storage_names() {
  "${COMP_WORDS[0]}" "$@" --format json 2>/dev/null | grep -o '"name": *"[^"]*"' | cut -d '"' -f 4
}

# Offers words for the current one. Bash breaks words at colons, so what comes before the last colon is there already.
_dokku_storage_offer() {
  mapfile -t COMPREPLY < <(compgen -W "$1" -- "$current")
  if [[ $current == *:* && $COMP_WORDBREAKS == *:* ]]; then
    COMPREPLY=("${COMPREPLY[@]#"${current%"${current##*:}"}"}")
  fi
}

_dokku_storage() {
  local line=${COMP_LINE:0:COMP_POINT} current previous command word place offer
  local switches="" valued="" formats="" entry=""
  local -a words places=()
  read -ra words <<<"$line"
  if [[ $line == *[[:blank:]] ]]; then words+=(""); fi
  current=${words[-1]} previous=${words[-2]:-} command=${words[1]:-}
  COMPREPLY=()
  if ((${#words[@]} <= 2)); then
    _dokku_storage_offer "@commands@"
    return
  fi
  case $command in
    @cases@) ;;
    completion) places=(bash) ;;
    *) return ;;
  esac
  if [[ " $valued " == *" $previous "* ]]; then
    case $previous in
      --connector | --to) _dokku_storage_offer "$(_dokku_storage_names storage:connectors:list)" ;;
      --format) _dokku_storage_offer "$formats" ;;
      --from)
        case $command in
          storage:backups:*) _dokku_storage_offer "$(_dokku_storage_names storage:connectors:list)" ;;
          *) compopt -o default ;;
        esac
        ;;
      --key-file | --known-hosts-file | --secret-file) compopt -o default ;;
      --phase) _dokku_storage_offer "build deploy run" ;;
      --reclaim-policy) _dokku_storage_offer "Retain Delete" ;;
      --scheduler) _dokku_storage_offer "docker-local k3s" ;;
      --type) _dokku_storage_offer "@types@" ;;
    esac
    return
  fi
  if [[ $current == -* ]]; then
    _dokku_storage_offer "$switches $valued"
    return
  fi
  # The place of the current word among those that are no flags and no values of flags.
  place=0 previous=""
  for word in "${words[@]:2:${#words[@]}-3}"; do
    if [[ $word != -* && " $valued " != *" ${previous:-none} "* ]]; then
      [ "$place" != 0 ] || entry=$word
      place=$((place + 1))
    fi
    previous=$word
  done
  offer=${places[place]:-}
  case $offer in
    @connectors) offer=$(_dokku_storage_names storage:connectors:list) ;;
    @entries) offer=$(_dokku_storage_names storage:list-entries) ;;
    @snapshots) offer=$(_dokku_storage_names storage:snapshots:list "$entry") ;;
    @trash) offer=$(_dokku_storage_names storage:trash:list) ;;
    @types) offer="@types@" ;;
  esac
  [ -z "$offer" ] || _dokku_storage_offer "$offer"
}

complete -F _dokku_storage dokku-storage
