/* The C program of c_program.c, called from a GoogleTest case. */
#ifndef ATTNJIT_TESTS_CAPI_C_PROGRAM_H_
#define ATTNJIT_TESTS_CAPI_C_PROGRAM_H_

#ifdef __cplusplus
extern "C" {
#endif

/* Returns NULL if everything was as attnjit.h promises, else what was not. */
const char* run_c_program(void);

#ifdef __cplusplus
}
#endif

#endif /* ATTNJIT_TESTS_CAPI_C_PROGRAM_H_ */
