// Command check reads a Grafana dashboard (JSON) and says what of it Grafana does not know.
package main

import (
	"fmt"
	"io"
	"os"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

func main() {
	plugins.RegisterDefaultPlugins()
	data, err := io.ReadAll(os.Stdin)
	if err == nil {
		board := dashboard.Dashboard{}
		if err = board.UnmarshalJSONStrict(data); err == nil {
			err = board.Validate()
		}
	}
	if err != nil && err.Error() != "" { // Validate gives an empty list where all is well
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
