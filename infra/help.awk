# Prints each target of a Makefile with its line of help, grouped by the "##@" headings.
BEGIN { FS = ":.*## " }
/^##@ / { printf "\n%s\n", substr($0, 5) }
/^[a-z][a-z0-9-]*:.*## / { printf "  %-18s %s\n", $1, $2 }
