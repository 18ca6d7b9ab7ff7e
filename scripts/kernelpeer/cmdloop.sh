# Guest script for live use: boot.sh --stdin cmdloop.sh.  Reads one command line at a time from the host, runs it in this
# shell (so variables and functions stay), prints what it prints and then, on a line of its own, "DONE <exit code>".
# An empty line comes before DONE, so output that does not end with a newline does not hide it.
# Ends with the host's end of input, or the command "exit N".
# For things that stay: end the command with & and send its output to a file.
echo READY
while IFS= read -r line; do
  # "command": without it a syntax error in the line would end the shell
  command eval "$line" </dev/null
  printf '\nDONE %s\n' "$?"
done
exit 0
