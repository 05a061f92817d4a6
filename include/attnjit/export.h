/* Symbol visibility: everything in the library is hidden except what carries ATTNJIT_API. */
#ifndef ATTNJIT_EXPORT_H_
#define ATTNJIT_EXPORT_H_

#if defined(__GNUC__)
#define ATTNJIT_API __attribute__((visibility("default")))
#define ATTNJIT_LOCAL __attribute__((visibility("hidden"))) /* nested in a public class, but not public */
#else
#define ATTNJIT_API
#define ATTNJIT_LOCAL
#endif

#endif /* ATTNJIT_EXPORT_H_ */
