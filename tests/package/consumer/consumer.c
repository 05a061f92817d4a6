/* Compile-only use of the installed C ABI: no device, no driver, no file. */
#include <attnjit/attnjit.h>
#include <stdio.h>

int main(void) {
  attnjit_context_options options = ATTNJIT_CONTEXT_OPTIONS_INIT;
  attnjit_context* context = NULL;
  if (attnjit_abi_version() != ATTNJIT_ABI_VERSION) {
    printf("header of ABI %d, library of ABI %u\n", ATTNJIT_ABI_VERSION, (unsigned)attnjit_abi_version());
    return 1;
  }
  options.device = -1;
  options.cache_path = ":memory:";
  options.arch = "sm_1";
  if (attnjit_context_create(&options, &context) == ATTNJIT_OK || attnjit_last_error()[0] == '\0') {
    puts("sm_1 was accepted, or refused without a word");
    return 1;
  }
  options.arch = "sm_90a";
  if (attnjit_context_create(&options, &context) != ATTNJIT_OK) {
    puts(attnjit_last_error());
    return 1;
  }
  printf("attnjit %s for %s\n", attnjit_version(), attnjit_context_arch(context));
  attnjit_context_destroy(context);
  return 0;
}
