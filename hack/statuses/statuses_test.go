// Package statuses tells what GitOps tools make of the status of Countersign's kinds: Argo CD by the Lua that
// examples/argo ships, Flux by kstatus.
package statuses

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

const customizations = "../../examples/argo/resource_customizations/countersign.dev"

// health is what Argo CD reads of the table that a script returns.
type health struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

type healthTests struct {
	Tests []struct {
		HealthStatus health `json:"healthStatus"`
		InputPath    string `json:"inputPath"`
	} `json:"tests"`
}

func kinds(t *testing.T) []string {
	t.Helper()
	folders, err := filepath.Glob(filepath.Join(customizations, "*"))
	if err != nil || len(folders) != 10 {
		t.Fatalf("%d kinds: %v", len(folders), err)
	}
	return folders
}

func read(t *testing.T, file string, into any) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err == nil {
		err = yaml.UnmarshalStrict(text, into)
	}
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// assess runs a script as Argo CD does: with the libraries base, table and string, and the object as `obj`.
func assess(t *testing.T, script string, object map[string]any) health {
	t.Helper()
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for name, open := range map[string]lua.LGFunction{
		lua.BaseLibName: lua.OpenBase, lua.TabLibName: lua.OpenTable, lua.StringLibName: lua.OpenString,
	} {
		if err := state.CallByParam(lua.P{Fn: state.NewFunction(open), Protect: true}, lua.LString(name)); err != nil {
			t.Fatal(err)
		}
	}
	state.SetGlobal("obj", value(state, object))
	if err := state.DoString(script); err != nil {
		t.Fatal(err)
	}
	table, ok := state.Get(-1).(*lua.LTable)
	if !ok {
		t.Fatalf("not a table: %v", state.Get(-1))
	}
	return health{table.RawGetString("status").String(), table.RawGetString("message").String()}
}

func value(state *lua.LState, of any) lua.LValue {
	switch of := of.(type) {
	case map[string]any:
		table := state.NewTable()
		for key, field := range of {
			table.RawSetString(key, value(state, field))
		}
		return table
	case []any:
		table := state.NewTable()
		for _, item := range of {
			table.Append(value(state, item))
		}
		return table
	case string:
		return lua.LString(of)
	case bool:
		return lua.LBool(of)
	case float64:
		return lua.LNumber(of)
	case int64:
		return lua.LNumber(of)
	default:
		return lua.LNil
	}
}

func TestHealthInArgoCD(t *testing.T) {
	for _, folder := range kinds(t) {
		script, err := os.ReadFile(filepath.Join(folder, "health.lua"))
		if err != nil {
			t.Fatal(err)
		}
		var tests healthTests
		read(t, filepath.Join(folder, "health_test.yaml"), &tests)
		inputs, _ := filepath.Glob(filepath.Join(folder, "testdata", "*.yaml"))
		if len(tests.Tests) != len(inputs) {
			t.Errorf("%s: %d tests of %d objects", folder, len(tests.Tests), len(inputs))
		}
		for _, test := range tests.Tests {
			var object map[string]any
			read(t, filepath.Join(folder, test.InputPath), &object)
			if found := assess(t, string(script), object); found != test.HealthStatus {
				t.Errorf("%s/%s: %+v, not %+v", folder, test.InputPath, found, test.HealthStatus)
			}
		}
	}
}

func TestConfigMapHoldsTheScripts(t *testing.T) {
	var configMap struct {
		APIVersion string            `json:"apiVersion"`
		Kind       string            `json:"kind"`
		Metadata   map[string]any    `json:"metadata"`
		Data       map[string]string `json:"data"`
	}
	read(t, "../../examples/argo/10-health.yaml", &configMap)
	folders := kinds(t)
	if len(configMap.Data) != len(folders) {
		t.Errorf("%d scripts of %d", len(configMap.Data), len(folders))
	}
	for _, folder := range folders {
		script, err := os.ReadFile(filepath.Join(folder, "health.lua"))
		if err != nil {
			t.Fatal(err)
		}
		key := "resource.customizations.health.countersign.dev_" + filepath.Base(folder)
		if configMap.Data[key] != string(script) {
			t.Errorf("%s is not %s/health.lua", key, folder)
		}
	}
}

// What is not in force never fails by kstatus, since it may be any moment: who waits for it waits on.
func TestStatusInFlux(t *testing.T) {
	expected := map[string]status.Status{
		"ready": status.CurrentStatus, "degraded": status.InProgressStatus, "outdated": status.InProgressStatus,
		// Nothing is known yet: the operator says something within a second.
		"new":         status.CurrentStatus,
		"terminating": status.TerminatingStatus,
		// Of a ticket: only one that opens the way is ready.
		"approved": status.CurrentStatus,
		// Of a window: it is in force, whatever is still to be done about it.
		"over": status.CurrentStatus, "reviewed": status.CurrentStatus,
	}
	for _, folder := range kinds(t) {
		inputs, _ := filepath.Glob(filepath.Join(folder, "testdata", "*.yaml"))
		for _, input := range inputs {
			var object map[string]any
			read(t, input, &object)
			// Numbers of an object from the API server are integers.
			integers(object)
			found, err := status.Compute(&unstructured.Unstructured{Object: object})
			if err != nil {
				t.Fatalf("%s: %v", input, err)
			}
			name := strings.TrimSuffix(filepath.Base(input), ".yaml")
			want, known := expected[name]
			if !known {
				want = status.InProgressStatus
			}
			if found.Status != want {
				t.Errorf("%s: %s, not %s: %s", input, found.Status, want, found.Message)
			}
		}
	}
}

func integers(of any) {
	switch of := of.(type) {
	case map[string]any:
		for key, field := range of {
			if number, is := field.(float64); is {
				of[key] = int64(number)
			}
			integers(field)
		}
	case []any:
		for _, item := range of {
			integers(item)
		}
	}
}
