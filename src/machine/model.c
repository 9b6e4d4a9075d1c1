/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Finding a model: a built-in one by its name, a user's by the path of its
 * shared object. An object stays open for the life of the process: devices,
 * and who knows what threads of theirs, run its code.
 */
#include "machine/model.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "machine/fail.h"
#include "machine/suggest.h"
#include "models/models.h"

#define MODELS_MAX 64u

/* A name with a '/' or ending in ".so" is a path. */
static bool names_file(const char *name)
{
	size_t len = strlen(name);

	return strchr(name, '/') || (len > 3 && !strcmp(name + len - 3, ".so"));
}

static int model_builtin(const char *name, const struct rf_pci_model **out, char **error)
{
	const char *words[MODELS_MAX + 1];
	const char *near;
	size_t n = 0;

	for (size_t i = 0; models_builtin[i]; i++) {
		if (!strcmp(models_builtin[i]->name, name)) {
			*out = models_builtin[i];
			return 0;
		}
		if (n < MODELS_MAX)
			words[n++] = models_builtin[i]->name;
	}
	words[n] = NULL;
	near = suggest_word(name, words);
	if (near)
		return fail(-ENOENT, error, "no model \"%s\" (did you mean \"%s\"?)", name, near);
	return fail(-ENOENT, error, "no model \"%s\"; 'ringfence devices' lists them", name);
}

static int model_open(const char *path, const struct rf_pci_model **out, char **error)
{
	const struct rf_pci_model *model;
	void *handle;

	handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!handle)
		return fail(-EINVAL, error, "%s", dlerror());
	model = dlsym(handle, RF_MODEL_SYMBOL);
	if (!model) {
		dlclose(handle);
		return fail(-EINVAL, error,
			    "%s: not a device model: no symbol " RF_MODEL_SYMBOL
			    " (see RF_PCI_MODEL)",
			    path);
	}
	if (model->abi != RF_MODEL_ABI) {
		unsigned abi = model->abi;

		dlclose(handle);
		return fail(-EINVAL, error,
			    "%s: built for version %u of the model interface; this is version %u",
			    path, abi, RF_MODEL_ABI);
	}
	*out = model;
	return 0;
}

int model_find(const char *name, const struct rf_pci_model **out, char **found, char **error)
{
	char *path;
	int ret;

	if (!names_file(name)) {
		ret = model_builtin(name, out, error);
		if (ret)
			return ret;
		*found = strdup(name);
		return *found ? 0 : -ENOMEM;
	}

	path = realpath(name, NULL);
	if (!path)
		return fail(-ENOENT, error, "%s: %s", name, strerror(errno));
	ret = model_open(path, out, error);
	if (ret)
		free(path);
	else
		*found = path;
	return ret;
}
