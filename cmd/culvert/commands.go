package main

import "github.com/spf13/cobra"

// commands are the subcommands of culvert.
func commands() []*cobra.Command {
	return []*cobra.Command{
		newRun(), newCheck(), newShow(), newTop(), newReload(), newDisconnect(), newAdd(), newDel(), newDrain(), newCapture(), newEvents(), newDebug(), newDoctor(), newDemo(), newBench(),
		newImport(), newVersion(), newMan(),
	}
}
